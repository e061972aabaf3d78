#include "model/base_models.h"

#include <gmock/gmock.h>

#include "edit_gguf.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using Texts = std::vector<std::pair<std::string, std::string>>;

// A file with these texts under "general.".
GgufFile file_with(const Texts& texts) {
  GgufFile file;
  for (const auto& [key, text] : texts) {
    set_text(file, "general." + key, text);
  }
  return file;
}

// "REPOSITORY by KEY" of each, with "?" behind one that is guessed.
std::vector<std::string> bases_of(const Texts& texts) {
  std::vector<std::string> lines;
  for (const auto& base : find_base_models(file_with(texts))) {
    lines.push_back(base.repository + (base.is_guessed ? "?" : "") + " by " + base.key);
  }
  return lines;
}

TEST(BaseModels, AreWhatTheKeysName) {
  EXPECT_THAT(bases_of({{"base_model.0.name", "Qwen3.5 9B"},
                        {"base_model.0.organization", "Qwen"},
                        {"base_model.0.repo_url", "https://huggingface.co/Qwen/Qwen3.5-9B"}}),
              ElementsAre("Qwen/Qwen3.5-9B by general.base_model.0.repo_url"));
  EXPECT_THAT(bases_of({{"base_model.0.name", "Qwen3.5 9B"}, {"base_model.0.organization", "Qwen"}}),
              ElementsAre("Qwen/Qwen3.5-9B? by general.base_model.0.name"));
  EXPECT_THAT(bases_of({{"base_model.0.name", "Qwen3.5 9B"}, {"base_model.0.repo_url", "https://example.org/Qwen/Q"}}),
              ElementsAre(" by general.base_model.0.repo_url"));
  EXPECT_THAT(bases_of({{"base_model.0.repo_url", "https://example.org"}, {"base_model.0.url", "hf.co/o/n"}}),
              ElementsAre("o/n by general.base_model.0.url"));
  EXPECT_THAT(bases_of({{"name", "Qwen3.5 9B"}, {"base_model.count", "1"}}), IsEmpty());
}

TEST(BaseModels, AreListedOnceAndInTheirOrder) {
  EXPECT_THAT(bases_of({{"base_model.10.repo_url", "o/c"},
                        {"base_model.2.repo_url", "o/b"},
                        {"base_model.3.repo_url", "O/B"},
                        {"base_model.0.repo_url", "o/a"},
                        {"base_model.x.repo_url", "o/x"},
                        {"base_model.99999999999999999999.repo_url", "o/x"},
                        {"base_model.4.name", ""}}),
              ElementsAre("o/a by general.base_model.0.repo_url", "o/b by general.base_model.2.repo_url",
                          "o/c by general.base_model.10.repo_url"));
  Texts many;
  for (int i = 0; i < 1000; ++i) {
    many.emplace_back("base_model." + std::to_string(i) + ".repo_url", "o/n" + std::to_string(i));
  }
  EXPECT_EQ(bases_of(many).size(), kBaseModelsMax);
}

TEST(BaseModels, AreNotLostThatMayBeOthers) {
  EXPECT_EQ(bases_of({{"base_model.0.name", "Qwen3.5 9B"},
                      {"base_model.0.repo_url", "Qwen/Qwen3.5-9B"},
                      {"base_model.1.name", "Qwen3.5 9B"},
                      {"base_model.1.repo_url", "lab/Qwen3.5-9B"},
                      {"base_model.2.name", "Qwen3.5 9B"},
                      {"base_model.3.name", "Qwen3.5 9B"}})
                .size(),
            3U);
  EXPECT_EQ(bases_of({{"base_model.0.name", "Qwen3.5 9B"}, {"base_model.1.name", "qwen3.5-9b"}}).size(), 2U);
}

TEST(BaseModels, AreNamedForPeople) {
  EXPECT_THAT(names_in_keys(file_with({{"base_model.0.repo_url", "lab/A"}, {"base_model.1.name", "B"}, {"name", "C"}})),
              ElementsAre("lab/A", "'B'", "'C'"));
  EXPECT_THAT(names_in_keys(file_with({{"source.repo_url", "lab/A"}})), IsEmpty());
}

TEST(BaseModels, AreTheSourceWhereNoneIsNamed) {
  const Texts source{{"source.huggingface.repository", "o/s"}};
  EXPECT_THAT(bases_of(source), ElementsAre("o/s by general.source.huggingface.repository"));
  EXPECT_THAT(bases_of({{"source.repo_url", "https://hf.co/o/s"}, {"base_model.0.repo_url", "o/b"}}),
              ElementsAre("o/b by general.base_model.0.repo_url"));
  EXPECT_THAT(bases_of({{"source.url", "https://example.org/x"}}), IsEmpty());
}

bool is_of(const Texts& file, const Texts& target) {
  return is_of_base_model(file_with(file), find_base_models(file_with(target)).front());
}

TEST(BaseModels, HaveHeadsThatAreCalledLikeThem) {
  const Texts target{{"base_model.0.name", "Qwen3.5 9B"}, {"base_model.0.repo_url", "Qwen/Qwen3.5-9B"}};
  for (const auto* name : {"Qwen3.5 9B", "qwen3.5-9b", "Qwen3.5 9B MTP", "mtp-Qwen3.5-9B"}) {
    EXPECT_TRUE(is_of({{"name", name}}, target)) << name;
  }
  for (const auto* name : {"", "MTP", "Qwen3.5 90B", "Qwen3.5 9B Base", "Qwen3.5"}) {
    EXPECT_FALSE(is_of({{"name", name}}, target)) << name;
  }
  EXPECT_TRUE(is_of({{"name", "Other"}, {"base_model.0.repo_url", "https://hf.co/qwen/qwen3.5-9b"}}, target));
  EXPECT_TRUE(is_of({{"base_model.0.name", "Qwen3.5-9B"}}, target));
  EXPECT_FALSE(is_of({{"base_model.0.name", "Qwen3.5 9B"}, {"base_model.0.repo_url", "other/Qwen3.5-9B"}}, target))
      << "both say where it is";
  EXPECT_TRUE(is_of({{"name", "Qwen3.5 9B"}}, {{"source.repo_url", "Qwen/Qwen3.5-9B"}}));
  EXPECT_FALSE(is_of({{"source.repo_url", "Qwen/Qwen3.5-9B"}}, target)) << "that is where it was converted from";
  EXPECT_FALSE(is_of({}, {{"source.repo_url", "Qwen/Qwen3.5-9B"}}));
}

}  // namespace
}  // namespace mtpgraft
