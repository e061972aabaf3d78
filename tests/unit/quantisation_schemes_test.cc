#include "donor/quantisation_schemes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "matchers.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;

constexpr std::string_view kBegin = "<!-- printed by tests/unit/quantisation_schemes_test.cc -->\n";
constexpr std::string_view kEnd = "<!-- end of schemes -->\n";

template <std::size_t N>
std::string list(const std::array<std::string_view, N>& words, std::string_view between) {
  std::string text;
  for (const auto word : words) {
    if (!word.empty()) {
      text += fmt::format("{}`{}`", text.empty() ? "" : between, word);
    }
  }
  return text;
}

std::string known_by(const QuantisationScheme& scheme) {
  auto text = fmt::format("`{}`", scheme.values);
  if (!scheme.dtypes.front().empty()) {
    text += fmt::format(" of {}", list(scheme.dtypes, ", "));
  }
  if (!scheme.scales.front().empty()) {
    text += fmt::format("; {}", list(scheme.scales, " or "));
    if (!scheme.scale_dtypes.front().empty()) {
      text += fmt::format(" of {}", list(scheme.scale_dtypes, ", "));
    }
  }
  if (!scheme.also.front().empty()) {
    text += fmt::format("; {}", list(scheme.also, " and "));
  }
  return text;
}

std::string print_table() {
  std::string text = "| scheme | known by its tensors | what a value is |\n|---|---|---|\n";
  for (const bool is_read : {true, false}) {
    for (const auto& scheme : quantisation_schemes()) {
      if (scheme.is_read == is_read) {
        text += fmt::format("| {} | {} | {} |\n", scheme.name, known_by(scheme),
                            is_read ? scheme.rule : "refused (exit 3)");
      }
    }
  }
  return text;
}

TEST(QuantisationSchemes, ArePrintedInTheDocumentation) {
  const auto path = std::filesystem::path(GOLDEN_DIR).parent_path().parent_path() / "docs/architectures.md";
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  const auto text = page.str();
  const auto begin = text.find(kBegin) + kBegin.size();
  const auto expected = print_table();
  if (text.substr(begin, text.find(kEnd, begin) - begin) == expected) {
    return;
  }
  const auto made = std::filesystem::temp_directory_path() / "architectures-schemes.md";
  std::ofstream(made) << text.substr(0, begin) << expected << text.substr(text.find(kEnd, begin));
  FAIL() << path << " differs from the table in the code; as it must be: " << made;
}

std::vector<std::string> weights_of(std::vector<std::string_view> names) {
  std::ranges::sort(names);
  return find_weights(names);
}

TEST(QuantisationSchemes, FindTheWeightThatATensorBelongsTo) {
  EXPECT_THAT(
      weights_of({"a.bias", "a.weight", "a.weight_scale_inv", "b.qweight", "b.qzeros", "b.scales", "c.weight_packed",
                  "c.weight_scale", "c.weight_shape", "d.experts.gate_up_proj", "d.experts.gate_up_proj_scale_inv",
                  "e.weight", "e.scales", "e.biases", "f.norm.weight", "g.input_scale", "g.k_scale"}),
      ElementsAre("a.bias", "a.weight", "b.weight", "c.weight", "d.experts.gate_up_proj", "e.weight", "f.norm.weight"));
}

TEST(QuantisationSchemes, LeaveWhatBelongsToNothingAsItIs) {
  EXPECT_THAT(weights_of({"a.weight_scale", "b.scales", "c.per_layer_scale", "weight_scale", "scales", ".weight"}),
              ElementsAre(".weight", "a.weight_scale", "b.scales", "c.per_layer_scale", "scales", "weight_scale"));
}

}  // namespace
}  // namespace mtpgraft
