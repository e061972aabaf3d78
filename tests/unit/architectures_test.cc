// docs/architectures.md is printed from the table in the code.
#include "model/architectures.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "edit_gguf.h"
#include "matchers.h"
#include "model/compatibility.h"
#include "model/families.h"
#include "model/mapping.h"
#include "models.h"
#include "mtpgraft/summary.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr std::string_view kBegin = "<!-- printed by tests/unit/architectures_test.cc -->\n";
constexpr std::string_view kBeginCheckpoints = "<!-- checkpoints, printed by tests/unit/architectures_test.cc -->\n";
constexpr std::string_view kEnd = "<!-- end -->\n";

std::string_view head_in_model(const Architecture& architecture) {
  switch (architecture.support) {
    case MtpSupport::kDrafts:
      return "drafts";
    case MtpSupport::kSkips:
      return "loads it, never drafts";
    case MtpSupport::kForksDraft:
      return "refuses it; forks draft";
    case MtpSupport::kSeparateDrafter:
      return "-";
    case MtpSupport::kUnknown:
      break;
  }
  return "?";
}

std::string_view head_declared(const Architecture& architecture) {
  if (architecture.support == MtpSupport::kSeparateDrafter) {
    return "-";
  }
  switch (architecture.placeholder) {
    case PlaceholderSupport::kAborts:
      return "loads; asked to draft, the process ends";
    case PlaceholderSupport::kLoads:
      return "loads";
    case PlaceholderSupport::kRefuses:
      break;
  }
  return "refuses";
}

std::string quoted_names(std::span<const std::string_view> names) {
  std::string text;
  for (const auto name : names) {
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  }
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 6) {
    text.replace(at, 1, "` or `");
  }
  return text;
}

std::string_view rule_text(ArrayRule rule) {
  switch (rule) {
    case ArrayRule::kExtend:
      return "`block_count`";
    case ArrayRule::kAnyLength:
      return "`block_count`; other lengths load too";
    case ArrayRule::kTrunkOnly:
      return "trunk";
    case ArrayRule::kNotPerLayer:
      break;
  }
  return "not per layer";
}

// The tables of docs/architectures.md.
std::string print_tables() {
  std::string text =
      "| architecture | models | blocks | head in the model | head declared, no tensors | head alone, `-md` | since | "
      "run "
      "in | |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& row : architectures()) {
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |\n", row.name, row.models,
                        row.blocks_max == 0 ? "any" : fmt::format("{}", row.blocks_max), head_in_model(row),
                        head_declared(row), row.loads_sidecar ? "drafts" : "refuses", row.since,
                        row.run_in.empty() ? "not run" : row.run_in, row.note);
  }
  text +=
      "\n| architecture | tensors that a head must have, after `blk.N.` | tensors that it can have |\n|---|---|---|\n";
  for (const auto& row : architectures()) {
    if (row.support != MtpSupport::kSeparateDrafter) {
      text += fmt::format("| `{}` | {} | {} |\n", row.name, quoted_names(row.required), quoted_names(row.optional));
    }
  }
  text += "\n| `{arch}.` key | architecture | with a head as long as | the head's entry |\n|---|---|---|---|\n";
  const auto add_arrays = [&](std::string_view owner, std::span<const LayerArray> arrays) {
    for (const auto& array : arrays) {
      const bool has_entry = array.rule == ArrayRule::kExtend || array.rule == ArrayRule::kAnyLength;
      text += fmt::format("| `{}` | {} | {} | {} |\n", array.key, owner, rule_text(array.rule),
                          !has_entry                            ? "none"
                          : array.fill == ArrayFill::kLikeBlock ? "the donor's; else that of a like trunk block"
                                                                : "the donor's; else 0");
    }
  };
  add_arrays("all", common_layer_arrays());
  for (const auto& row : architectures()) {
    add_arrays(fmt::format("`{}`", row.name), row.arrays);
  }
  return text;
}

std::string alternate_names(const Family& family) {
  std::vector<std::string_view> names;
  std::ranges::transform(family.alternates, std::back_inserter(names), &TensorRule::name);
  return quoted_names(names);
}

std::string written_names(const Family& family) {
  for (const auto& rules : family.rules) {
    const auto lost = std::ranges::find_if(rules, [](const TensorRule& rule) { return !has_inverse(rule.transform); });
    if (lost != rules.end()) {
      return fmt::format("no: how `{}` was is not told by a GGUF", lost->name);
    }
  }
  return family.layout == HeadLayout::kFolded ? "`mtp.*`" : fmt::format("`{}N.*`", written_prefix(family));
}

// One row for each family of checkpoints.
std::string print_checkpoints() {
  std::string text =
      "| architecture | checkpoint in: names in `config.json` | head in the checkpoint | held to | checkpoint out | "
      "read, never written |\n";
  text += "|---|---|---|---|---|---|\n";
  for (const auto& family : families()) {
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", family.architecture, quoted_names(family.config_names),
                        family.layout == HeadLayout::kAppended ? "`model.layers.N.*` after the last" : "`mtp.*`",
                        family.held_to, written_names(family), alternate_names(family));
  }
  return text;
}

// What is between the two marks becomes `expected`.
std::string replace_between(const std::string& text, std::string_view begin_mark, const std::string& expected) {
  const auto begin = text.find(begin_mark) + begin_mark.size();
  return text.substr(0, begin) + expected + text.substr(text.find(kEnd, begin));
}

TEST(Architectures, ArePrintedInTheDocumentation) {
  const auto path = std::filesystem::path(GOLDEN_DIR).parent_path().parent_path() / "docs/architectures.md";
  std::stringstream page;
  page << std::ifstream(path).rdbuf();
  const auto expected =
      replace_between(replace_between(page.str(), kBegin, print_tables()), kBeginCheckpoints, print_checkpoints());
  if (page.str() == expected) {
    return;
  }
  const auto made = std::filesystem::temp_directory_path() / "architectures.md";
  std::ofstream(made) << expected;
  FAIL() << path << " differs from the table in the code; as it must be: " << made;
}

TEST(Architectures, OfNoTableRequireNothing) {
  const auto unknown = find_architecture("llama");
  EXPECT_EQ(unknown.support, MtpSupport::kUnknown);
  EXPECT_TRUE(unknown.required.empty());
}

TEST(Architectures, LoadWithoutTheirHeadAsTheTableSays) {
  const auto runtime_of = [](std::string_view architecture) {
    auto model = load_model("target-placeholder");
    rename_architecture(model.gguf, architecture);
    return summarise(model.gguf).runtime;
  };
  EXPECT_EQ(runtime_of("qwen35"), Runtime::kRefuses);
  EXPECT_EQ(runtime_of("nemotron_h_moe"), Runtime::kRefuses);
  EXPECT_EQ(runtime_of("qwen4exp"), Runtime::kRuns);
  for (const auto* name :
       {"glm4moe", "deepseek2", "deepseek32", "glm-dsa", "mimo2", "step35", "hy_v3", "cohere2moe", "bailingmoe3"}) {
    EXPECT_EQ(runtime_of(name), Runtime::kAborts) << name;
  }
}

// What planning says of Qwen's head as one of another architecture.
Fit fit_as(std::string_view architecture, std::string_view donor_name) {
  auto target = load_model(kTarget);
  auto donor = load_model(donor_name);
  rename_architecture(target.gguf, architecture);
  rename_architecture(donor.gguf, architecture);
  return check_fit(target.gguf, find_head(target.gguf), donor.gguf, find_head(donor.gguf), head_data_of(donor),
                   HeadPlace::kInModel);
}

TEST(Architectures, AreNotHeldToTheRulesOfOthers) {
  EXPECT_THAT(fit_as("unheard-of", kDonor).refusals, testing::IsEmpty());
  EXPECT_THAT(fit_as("glm4moe", kDonor).refusals, Contains(HasSubstr("the head lacks 'blk.8.ffn_gate_inp.weight'")));
}

TEST(Architectures, TakeQueriesKeysAndValuesFusedWhereTheLoaderDoes) {
  EXPECT_THAT(fit_as("qwen35", "donor-fused-qkv").refusals, testing::IsEmpty());
  EXPECT_THAT(fit_as("mimo2", kDonor).refusals, Contains(HasSubstr("the head lacks 'blk.8.attn_qkv.weight'")));
}

}  // namespace
}  // namespace mtpgraft
