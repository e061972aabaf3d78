#include <fmt/format.h>

#include <algorithm>

#include "report/bench.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

constexpr int kChartWidth = 640;
constexpr int kPanelHeight = 220;
constexpr int kLeft = 60;
constexpr int kTop = 44;
constexpr int kPlotHeight = 140;
constexpr int kGroupWidth = 90;

// Grey text and axes, which a light and a dark page show alike; the bars have colours of middle brightness.
constexpr std::string_view kStyle =
    "text{font:13px sans-serif;fill:#7d8590}.value{font-weight:600}.axis,.one{stroke:#7d8590}.one{stroke-dasharray:3}"
    ".acceptance{fill:#3a8bd6}.speedup{fill:#2f9e63}";

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char letter : text) {
    safe += letter == '<' ? "&lt;" : letter == '>' ? "&gt;" : letter == '&' ? "&amp;" : std::string(1, letter);
  }
  return safe;
}

struct Bar {
  std::string label;
  double value;
};

std::string panel(std::string_view title, std::string_view style, const std::vector<Bar>& bars, double top, int x,
                  int y) {
  auto svg = fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x, y + 20, title);
  const auto base = y + kTop + kPlotHeight;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const auto height = static_cast<int>(kPlotHeight * std::clamp(bars[i].value / top, 0.0, 1.0));
    const auto left = x + 10 + static_cast<int>(i) * kGroupWidth;
    svg += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"50\" height=\"{}\"/>\n", style, left,
                       base - height, height);
    svg += fmt::format("<text class=\"value\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{:.2f}</text>\n", left + 25,
                       base - height - 6, bars[i].value);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", left + 25, base + 18,
                       escaped(bars[i].label));
  }
  const auto line = [&](std::string_view kind, int height) {
    return fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", kind, x, base - height,
                       x + std::max<int>(1, static_cast<int>(bars.size())) * kGroupWidth, base - height);
  };
  return svg + line("one", static_cast<int>(kPlotHeight / top)) + line("axis", 0);
}

}  // namespace

std::string bench_chart(const BenchResult& result) {
  std::string body;
  int y = 0;
  int width = kChartWidth;
  for (const auto& model : result.models) {
    std::vector<Bar> acceptance;
    std::vector<Bar> speedup;
    double speedup_max = 1;
    for (const auto& depth : model.depths) {
      const auto label = depth.depth ? fmt::format("depth {}", *depth.depth) : std::string("as it is");
      if (depth.acceptance) {
        acceptance.push_back({label, *depth.acceptance});
      }
      if (depth.speedup) {
        speedup.push_back({label, depth.speedup->median});
        speedup_max = std::max(speedup_max, depth.speedup->median);
      }
    }
    const auto second = kLeft + static_cast<int>(std::max<std::size_t>(acceptance.size(), 1)) * kGroupWidth + 40;
    body += fmt::format("<text class=\"value\" x=\"{}\" y=\"{}\">{}</text>\n", kLeft, y + 18,
                        escaped(printable(base_name(model.model))));
    body += panel("acceptance: of the drafted tokens", "acceptance", acceptance, 1, kLeft, y + 16);
    body += panel("speed-up: 1 is without drafting", "speedup", speedup, speedup_max, second, y + 16);
    width = std::max(width, second + static_cast<int>(speedup.size()) * kGroupWidth + kLeft);
    y += kPanelHeight + 20;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
      "<style>{2}</style>\n{3}</svg>\n",
      width, y, kStyle, body);
}

}  // namespace mtpgraft::report
