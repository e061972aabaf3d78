#include "util/glob.h"

#include <fnmatch.h>

#include <random>
#include <string>

#include "gtest/gtest.h"

namespace mtpgraft {
namespace {

bool fnmatch_does(const std::string& pattern, const std::string& text, LeadingPeriod leading) {
  return ::fnmatch(pattern.c_str(), text.c_str(), leading == LeadingPeriod::kOnlyPeriod ? FNM_PERIOD : 0) == 0;
}

// How many texts were matched.
int compare(const std::string& pattern, const std::string& text) {
  int matched = 0;
  for (const auto leading : {LeadingPeriod::kAny, LeadingPeriod::kOnlyPeriod}) {
    const bool expected = fnmatch_does(pattern, text, leading);
    EXPECT_EQ(matches_glob(pattern, text, leading), expected)
        << "'" << pattern << "' on '" << text << "'" << (leading == LeadingPeriod::kAny ? "" : ", leading period");
    matched += expected ? 1 : 0;
  }
  return matched;
}

TEST(Glob, IsAsFnmatch) {
  const std::vector<std::string> texts{"",
                                       ".",
                                       "a",
                                       "-",
                                       "]",
                                       "[",
                                       "\\",
                                       "ab",
                                       "a-b",
                                       "a/b",
                                       ".hidden",
                                       "x.gguf",
                                       ".gguf",
                                       "blk.12.nextn.eh_proj.weight",
                                       "Modell-00001-of-00002.gguf",
                                       "folder/Modell-Q4_K_M.gguf",
                                       "sub/.gguf",
                                       "ümlaut.gguf",
                                       "[abc]",
                                       "a]",
                                       "[a",
                                       "5",
                                       "G",
                                       " ",
                                       "a*b",
                                       "\xff"};
  const std::vector<std::string> patterns{"",
                                          "*",
                                          "**",
                                          "?",
                                          "*.gguf",
                                          "*.*",
                                          ".*",
                                          "[.]*",
                                          "\\.*",
                                          "?gguf",
                                          "[a-c]",
                                          "[!a-c]",
                                          "[^a-c]",
                                          "[]]",
                                          "[!]]",
                                          "[]-a]",
                                          "[a-]",
                                          "[-a]",
                                          "[a",
                                          "[",
                                          "[]",
                                          "[!]",
                                          "[\\]]",
                                          "[\\\\]",
                                          "\\[",
                                          "\\",
                                          "a\\",
                                          "\\a",
                                          "\\*",
                                          "a\\*b",
                                          "a*b",
                                          "*a*b*",
                                          "[[:digit:]]",
                                          "[[:alpha:]]",
                                          "[![:upper:]]",
                                          "[[:space:]-]",
                                          "[[:xdigit:][:space:]]",
                                          "[[:alnum:]]*",
                                          "blk.*.nextn.*",
                                          "blk.[0-9][0-9].*",
                                          "*-Q4_K_[MS].gguf",
                                          "*/*",
                                          "[a-z]*",
                                          "[A-Za-z]*",
                                          "*[!f]",
                                          "\xc3?mlaut*",
                                          "??mlaut*",
                                          "[\x80-\xff]",
                                          "*\\",
                                          "[z-a]",
                                          "[a-\\]]",
                                          "[[-a]",
                                          "[[a]",
                                          "*[",
                                          "*[a",
                                          "[*]",
                                          "[?]*",
                                          "-",
                                          "]",
                                          "a]"};
  for (const auto& pattern : patterns) {
    for (const auto& text : texts) {
      compare(pattern, text);
    }
  }
}

TEST(Glob, RandomPatternsAreAsFnmatch) {
  std::mt19937 random(20240501);
  const auto pick = [&](std::string_view from, std::size_t length_max) {
    std::string text(random() % (length_max + 1), ' ');
    for (auto& c : text) {
      c = from[random() % from.size()];
    }
    return text;
  };
  int matched = 0;
  for (int i = 0; i < 200'000; ++i) {
    // Half of them without backslashes, which match too little.
    const auto pattern = pick(i % 2 == 0 ? "ab.-*?[]!\\" : "aab.*?[]", 8);
    // fnmatch() looks for a collating symbol there.
    if (pattern.find("[.") == std::string::npos || pattern.starts_with("[.")) {
      matched += compare(pattern, pick("aab.-[]\\", 6));
    }
  }
  EXPECT_GT(matched, 10'000);
}

TEST(Glob, TakesNoLongerThanTheSquare) {
  std::string pattern;
  for (int i = 0; i < 1000; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(matches_glob(pattern + "*b", std::string(10'000, 'a')));
}

TEST(Glob, KnowsPatterns) {
  EXPECT_FALSE(is_pattern("Modell-Q4_K_M.gguf"));
  for (const auto* pattern : {"*", "a?", "[ab]", "\\a"}) {
    EXPECT_TRUE(is_pattern(pattern));
  }
}

}  // namespace
}  // namespace mtpgraft
