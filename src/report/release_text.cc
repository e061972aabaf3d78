#include <fmt/format.h>

#include "report/bench.h"
#include "report/release.h"
#include "report/words.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

std::string describe_size(std::uint64_t bytes) {
  return fmt::format("{} ({})", format_bytes_decimal(bytes), format_bytes(bytes));
}

// A cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    escaped += c == '|' ? "\\|" : std::string(1, c);
  }
  return escaped;
}

std::string name_of(const ReleasedGraft& graft) {
  const auto& name = graft.files.front().name;
  return graft.files.size() == 1 ? name : fmt::format("{} and {} more", name, graft.files.size() - 1);
}

std::string head_type(const ReleasedGraft& graft) {
  return graft.head_types.empty() ? "" : graft.head_types.front().type;
}

std::string measured(const ReleaseReport& report, const BenchCards& cards) {
  std::string text;
  for (const auto& graft : report.grafts) {
    if (const auto card = card_of(graft, cards); !card.empty()) {
      text += text.empty() ? fmt::format("\n{}", kCardHeading) : std::string();
      text += "\n";
      text += card;
    }
  }
  return text;
}

}  // namespace

std::string card_of(const ReleasedGraft& graft, const BenchCards& cards) {
  const auto card = graft.files.empty() ? cards.end() : cards.find(graft.files.front().name);
  return card != cards.end() ? card->second : "";
}

std::string describe_release(const ReleaseReport& report, const BenchCards& cards) {
  std::string text = "| file | quant | head | size |\n|---|---|---|---:|\n";
  std::uint64_t bytes = 0;
  for (const auto& graft : report.grafts) {
    text += fmt::format("| {} | {} | {} | {} |\n", cell(name_of(graft)), cell(graft.quant), head_type(graft),
                        describe_size(graft.bytes()));
    bytes += graft.bytes();
  }
  const auto& first = report.grafts.front();
  const std::string_view example = report.grafts.size() > 1 ? ", for example" : "";
  text += fmt::format("| total | | | {} |\n\n", describe_size(bytes));
  text += fmt::format("To draft with the MTP head{}:\n\n    {}\n\n", example, llama_server_line(first));
  text += fmt::format(
      "To check a download, with `{}` and the `.sums` files beside it{}:\n\n"
      "    sha256sum -c --ignore-missing {}\n"
      "    mtpgraft verify {} -c {} --exact --quiet\n",
      kSha256FileName, example, kSha256FileName, shell_quoted(first.files.front().name), shell_quoted(first.sums_name));
  return text + measured(report, cards);
}

std::string describe_release_plan(const ReleaseReport& report) {
  std::vector<Row> rows{{"target", "donor", "output", "head", "size", ""}};
  std::size_t present = 0;
  for (const auto& graft : report.grafts) {
    const bool is_present = graft.state == ReleaseState::kPresent;
    const auto state = !is_present             ? "to be written"
                       : graft.has_other_sizes ? "is there, of another size"
                                               : "is there, not compared";
    present += is_present ? 1 : 0;
    rows.push_back({printable(graft.target.path), printable(graft.donor.path), printable(graft.output),
                    head_type(graft), format_bytes(graft.bytes()), state});
  }
  const auto compared = present > 0 ? fmt::format(", {} to be compared", plural(present, "output")) : "";
  return format_table(rows, "") + fmt::format("dry run: nothing was written; {} to be written{}; {} needed\n{}",
                                              plural(report.grafts.size() - present, "output"), compared,
                                              format_bytes(report.needed_bytes), kValuesUnread);
}

}  // namespace mtpgraft::report
