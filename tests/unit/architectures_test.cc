// docs/architectures.md is what people read of the table in the code: each row is held to what the program does.
#include "model/architectures.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "edit_gguf.h"
#include "matchers.h"
#include "model/compatibility.h"
#include "models.h"
#include "mtpgraft/summary.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string trimmed(std::string_view text) {
  const auto from = std::min(text.find_first_not_of(' '), text.size());
  return std::string(text.substr(from, text.find_last_not_of(' ') + 1 - from));
}

// The cells of each row whose first cell names architectures, by these names. `start` begins the table's first row.
std::map<std::string, std::vector<std::string>> read_table(const std::string& start) {
  const auto path = std::filesystem::path(GOLDEN_DIR).parent_path().parent_path() / "docs/architectures.md";
  std::ifstream stream(path);
  std::map<std::string, std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    inside = line.starts_with('|') && (inside || line.starts_with(start));
    std::vector<std::string> cells;
    for (std::size_t at = 1; inside && at < line.size();) {
      const auto end = line.find('|', at);
      cells.push_back(trimmed(line.substr(at, end - at)));
      at = end + 1;
    }
    for (std::size_t at = 0; inside && (at = cells[0].find('`', at)) != std::string::npos;) {
      const auto end = cells[0].find('`', at + 1);
      rows[cells[0].substr(at + 1, end - at - 1)] = cells;
      at = end + 1;
    }
  }
  return rows;
}

std::map<std::string, std::vector<std::string>> runtime_table() { return read_table("| architecture | models |"); }

Runtime runtime_of_renamed(Model model, std::string_view architecture) {
  rename_architecture(model.gguf, architecture);
  return summarise(model.gguf).runtime;
}

TEST(Architectures, AreThoseOfTheDocumentation) {
  const auto rows = runtime_table();
  ASSERT_EQ(rows.size(), 17U);
  for (const auto& [name, cells] : rows) {
    SCOPED_TRACE(name);
    const auto architecture = find_architecture(name);
    EXPECT_EQ(architecture.support, cells[3].starts_with("drafts")              ? MtpSupport::kDrafts
                                    : cells[3].starts_with("loads the head")    ? MtpSupport::kSkips
                                    : cells[3].starts_with("a drafter file of") ? MtpSupport::kSeparateDrafter
                                                                                : MtpSupport::kUnknown);
    EXPECT_EQ(architecture.blocks_max, cells[2] == "1" ? 1U : 0U);
    EXPECT_EQ(architecture.block_count_may_exclude_head, cells[4].find("may not count the head") != std::string::npos);
  }
  EXPECT_EQ(find_architecture("llama").support, MtpSupport::kUnknown);
}

TEST(Architectures, LoadWithoutTheirHeadOrBesideItAsDocumented) {
  for (const auto& [name, cells] : runtime_table()) {
    SCOPED_TRACE(name);
    if (!cells[4].empty() && !find_architecture(name).block_count_may_exclude_head) {
      EXPECT_EQ(runtime_of_renamed(load_model("target-placeholder"), name),
                cells[4].starts_with("loads") ? Runtime::kRuns : Runtime::kRefuses);
    }
    // What each architecture's head needs is another matter: these tensors are those of Qwen.
    const auto architecture = find_architecture(name);
    EXPECT_EQ(architecture.loads_sidecar || architecture.support == MtpSupport::kSeparateDrafter, cells[5] == "drafts");
  }
}

TEST(Architectures, HaveShiftedNormsWhereTheConverterAddsOne) {
  const auto rows = read_table("| architecture | head in the checkpoint |");
  ASSERT_GE(rows.size(), 9U);
  for (const auto& [name, cells] : rows) {
    EXPECT_EQ(find_architecture(name).norms_are_shifted, cells[3].starts_with("1 is added to norms")) << name;
  }
}

// What planning says of Qwen's head as one of another architecture.
std::vector<std::string> problems_as(std::string_view architecture) {
  auto target = load_model(kTarget);
  auto donor = load_model(kDonor);
  rename_architecture(target.gguf, architecture);
  rename_architecture(donor.gguf, architecture);
  const auto fit =
      check_fit(target.gguf, find_head(target.gguf), donor.gguf, find_head(donor.gguf), head_data_of(donor));
  return fit.refusals;
}

// Only Qwen's attn_q has twice the rows, for its gate; of latent attention and mixed layers the shapes are not known.
TEST(Architectures, KnowTheShapesOfTheirAttention) {
  for (const std::string name : {"qwen35", "qwen35moe", "qwen3next"}) {
    EXPECT_THAT(problems_as(name), Not(Contains(HasSubstr("attn_q.weight' has shape")))) << name;
  }
  for (const std::string name : {"glm4moe", "hy_v3", "cohere2moe"}) {
    EXPECT_THAT(problems_as(name), Contains(HasSubstr("attn_q.weight' has shape"))) << name;
  }
  for (const std::string name : {"deepseek2", "deepseek32", "glm-dsa", "deepseek4", "mimo2", "step35", "unheard-of"}) {
    EXPECT_THAT(problems_as(name), Not(Contains(HasSubstr(" has shape")))) << name;
  }
}

TEST(Architectures, OfQwenWantQueriesKeysAndValuesApart) {
  for (const std::string name : {"qwen35", "qwen35moe", "qwen3next", "hy_v3", "step35"}) {
    SCOPED_TRACE(name);
    auto donor = load_model("donor-fused-qkv");
    rename_architecture(donor.gguf, name);
    const auto head = find_head(donor.gguf);
    if (name.starts_with("qwen")) {
      EXPECT_THAT(head.problems, Contains(HasSubstr("is fused")));
    } else {
      EXPECT_THAT(head.problems, testing::IsEmpty());
    }
  }
}

}  // namespace
}  // namespace mtpgraft
