#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "util/json_fault.h"
#include "util/look_alikes.h"
#include "util/spelling.h"

namespace mtpgraft {
namespace {

TEST(Retype, PutsTheCharactersOfAKeyboard) {
  struct Case {
    const char* text;
    const char* typed;
    std::size_t kinds;
  };
  for (const auto& [text, typed, kinds] : std::vector<Case>{
           {"Model-Q4_K_M.gguf", "Model-Q4_K_M.gguf", 0},
           {"--json", "--json", 0},
           {"\u2014json", "--json", 1},
           {"\u2013-json", "--json", 1},
           {"\u2013\u2013json", "--json", 1},
           {"\u2013o", "-o", 1},
           {"\u2014o=x", "-o=x", 1},
           {"--dry\u2011run", "--dry-run", 1},
           {"Model\u2013Q4\u2013K.gguf", "Model-Q4-K.gguf", 1},
           {"\u201cModel\u201d", "\"Model\"", 2},
           {"My\u00a0Model", "My Model", 1},
           {"\ufeffModel\u200b", "Model", 2},
           {"M\u00fcller.gguf", "M\u00fcller.gguf", 0},
           {"\u2014", "--", 1},
           {"", "", 0},
       }) {
    const auto retyped = retype(text);
    EXPECT_EQ(retyped.text, typed) << text;
    EXPECT_EQ(retyped.what.size(), kinds) << text;
  }
}

TEST(FindSpelling, TriesEachWayThatPathsAreMisspelled) {
  ASSERT_EQ(setenv("HOME", "/home/me", 1), 0);
  ASSERT_EQ(setenv("MODELS", "/srv", 1), 0);
  struct Case {
    const char* path;
    const char* meant;
  };
  for (const auto& [path, meant] : std::vector<Case>{
           {"~/x.gguf", "/home/me/x.gguf"},
           {"~", "/home/me"},
           {"$HOME/x.gguf", "/home/me/x.gguf"},
           {"${MODELS}/x.gguf", "/srv/x.gguf"},
           {"file:///srv/My%20Model.gguf", "/srv/My Model.gguf"},
           {"file://localhost/srv/x", "/srv/x"},
           {"FILE:/srv/x", "/srv/x"},
           {"x%20y", "x y"},
           {"100%.gguf ", "100%.gguf"},
           {" x.gguf\r\n", "x.gguf"},
           {"'x.gguf',", "x.gguf"},
           {"\u201cx.gguf\u201d", "x.gguf"},
           {"My\\ Model.gguf", "My Model.gguf"},
           {"a\\b\\c.gguf", "a/b/c.gguf"},
           {"C:\\models\\x.gguf", "/mnt/c/models/x.gguf"},
           {"target=x.gguf", "x.gguf"},
           {"target=\u201cx.gguf\u201d", "x.gguf"},
       }) {
    const auto spelling =
        find_spelling(path, [&expected = meant](const std::string& each) { return each == expected; });
    ASSERT_TRUE(spelling) << path;
    EXPECT_EQ(spelling->path, meant) << path;
    EXPECT_NE(spelling->reason, "") << path;
  }
  for (const auto* path :
       {"x.gguf", "~other/x.gguf", "$NOT_SET_AT_ALL/x", "x$.gguf", "$", "${", "%", "%2", "=", "x=", ""}) {
    EXPECT_FALSE(find_spelling(path, [&](const std::string& each) { return each != path; })) << path;
  }
  EXPECT_FALSE(certain_spelling("x%20y"));
  EXPECT_EQ(certain_spelling("~/x")->path, "/home/me/x");
}

TEST(FindJsonFault, SaysWhatAPersonHasGotWrong) {
  struct Case {
    const char* text;
    std::size_t offset;
    const char* what;
    const char* hint;
  };
  for (const auto& [text, offset, what, hint] : std::vector<Case>{
           {R"({"a": 1,})", 8, "there is a comma before '}'", "take the comma out"},
           {R"([1, ])", 4, "there is a comma before ']'", "take the comma out"},
           {R"({'a': 1})", 1, "there is a single quote", "double quotes"},
           {R"({"a": 'x'})", 6, "there is a single quote", "double quotes"},
           {"{\n// x\n}", 2, "there is a comment", "take it out"},
           {"{/* x */}", 1, "there is a comment", "take it out"},
           {"{# x\n}", 1, "there is a comment", "take it out"},
           {R"({"a": 1 "b": 2})", 8, "there is no comma", "write a comma"},
           {R"([1 2])", 3, "there is no comma", "write a comma"},
           {R"({"a": 1; "b": 2})", 7, "';' where ',' belongs", "comma"},
           {R"({a: 1})", 1, "whose name has no quotes", R"("a")"},
           {R"({"a": x})", 6, "text without quotes: x", "double quotes"},
           {R"({"a": True})", 6, "'True'", "true"},
           {R"({"a": No})", 6, "'No'", "false"},
           {R"({"a": None})", 6, "'None'", "null"},
           {R"({"a": "C:\models"})", 9, "a backslash in a string", "C:/models"},
           {R"({"a" = 1})", 5, "'=' where ':' belongs", ":"},
           {R"({"a" 1})", 5, "no ':' after the name", ":"},
           {R"({"a": })", 6, "no value before '}'", "value"},
           {R"({"a":: 1})", 5, "':' too many", "take it out"},
           {R"({"a": 1,, "b": 2})", 8, "',' too many", "take it out"},
           {R"({"a": [1})", 8, "a '}' closes the '[' of line 1, column 7", "']'"},
           {R"({"a": 1}})", 8, "a '}' too many", "take it out"},
           {R"({"a": 1} {})", 9, "something after the end", "take it out"},
           {R"(["a": 1])", 4, "a ':' after a value", "{ }"},
           {"{\"a\": \"x\n\"}", 6, "does not end on its line", "quote"},
           {R"({"a": "x)", 6, "does not end", "quote"},
           {"{\"a\": [1", 8, "ends before the '[' of line 1, column 7 is closed", "end"},
           {"{\u201ca\u201d: 1}", 1, "a curly quote (U+201C)", "type it anew"},
           {"{\u00a0\"a\": 1}", 1, "a non-breaking space", "type it anew"},
           {"\xFF\xFE{", 0, "UTF-16", "UTF-8"},
       }) {
    const auto fault = find_json_fault(text);
    ASSERT_TRUE(fault) << text;
    EXPECT_EQ(fault->offset, offset) << text;
    EXPECT_THAT(fault->what, testing::HasSubstr(what)) << text;
    EXPECT_THAT(fault->hint, testing::HasSubstr(hint)) << text;
  }
  for (const auto* text : {"{}", "[]", "\xEF\xBB\xBF{}",
                           R"({"a": [1, -2.5e3, "x\"\\\u00e9", true, null, {}, []], "b": {"c": false}})", "1"}) {
    EXPECT_FALSE(find_json_fault(text)) << text;
  }
}

TEST(TextPosition, CountsLinesAndCharacters) {
  EXPECT_EQ(text_position("ab", 0), "line 1, column 1");
  EXPECT_EQ(text_position("a\n\u00e9b", 4), "line 2, column 2");
}

}  // namespace
}  // namespace mtpgraft
