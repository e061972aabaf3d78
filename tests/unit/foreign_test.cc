// Files and folders in the place of a GGUF. tests/support/wrong_inputs.py has one of each kind; here is what is between
// the kinds.
#include "gguf/foreign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gguf/cut_name.h"
#include "memory_file_system.h"
#include "mtpgraft/split.h"

namespace mtpgraft {
namespace {

using testing::HasSubstr;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Error refusal_of(std::string_view content, const std::string& name = "model.gguf") {
  return refuse_foreign(MemoryFile(name, bytes_of(content)));
}

std::string whole_of(std::string_view name) {
  const auto cut = parse_cut_name(name);
  return cut ? cut->whole : "";
}

TEST(CutName, IsOfManyPrograms) {
  for (const auto* name :
       {"M.gguf.part1of2", "M.gguf.part-01", "M.gguf.part_2", "M.gguf.part02", "M.gguf-split-a", "M.gguf.split-ab",
        "M.gguf.001", "M.gguf.aa", "M.gguf-a", "M.gguf.1of3", "M.part1.gguf", "M-part-b.gguf", "M.gguf.Part3-of-4"}) {
    EXPECT_EQ(whole_of(name), "M.gguf") << name;
  }
}

TEST(CutName, IsNoOtherName) {
  for (const auto* name :
       {"M.gguf", "M-00001-of-00002.gguf", "qwen-7b.gguf", "M.gguf.bak", "M.gguf.old", "M.gguf.gz", "M.gguf.part", "a",
        "part1", "M.Q4.gguf", "counterpart.gguf", "M.gguf.sha256", "part-a.gguf"}) {
    EXPECT_EQ(whole_of(name), "") << name;
  }
}

TEST(CutName, TellsTheCommandThatJoinsTheParts) {
  const auto advice = [](std::string_view name) { return parse_cut_name(name)->advice; };
  EXPECT_THAT(advice("dir/M x.gguf.part1of2"),
              HasSubstr("cat 'dir/M x.gguf.part1of2' 'dir/M x.gguf.part2of2' > 'dir/M x.gguf'"));
  // More than nine would not come in order.
  EXPECT_THAT(advice("M.gguf.part10of12"), HasSubstr("in their order"));
}

TEST(Foreign, ShowsWhatAServerAnswered) {
  EXPECT_THAT(refusal_of("Entry not found").message, HasSubstr("Entry not found"));
  EXPECT_EQ(refusal_of("Invalid username or password.").file_kind, FileKind::kServerReply);
  EXPECT_EQ(refusal_of("{\"error\":\"Repository not found\"}").file_kind, FileKind::kServerReply);
  EXPECT_EQ(refusal_of("\xef\xbb\xbf \n<!DOCTYPE HTML>").file_kind, FileKind::kWebPage);
}

TEST(Foreign, TellsJsonByItsKeys) {
  EXPECT_EQ(refusal_of("{\"grafts\": []}").remedy, Remedy::kReleasePlan);
  EXPECT_THAT(refusal_of("{\"model_type\": \"qwen3_5\"}", "dir/config.json").hint, HasSubstr("dir"));
  EXPECT_EQ(refusal_of("[1, 2]").file_kind, FileKind::kJson);
}

TEST(Foreign, DoesNotTakeNoiseForText) {
  EXPECT_EQ(refusal_of("\x01\x02\x03\x04").file_kind, FileKind::kUnknownFile);
  EXPECT_EQ(refusal_of("hello").file_kind, FileKind::kText);
  // A length as of safetensors that is longer than the file.
  EXPECT_EQ(refusal_of(std::string("\xff\xff\0\0\0\0\0\0{", 9)).file_kind, FileKind::kUnknownFile);
}

TEST(Foreign, IsOnlySaidOfWhatIsKnown) {
  const MemoryFile page("mtp.safetensors", bytes_of("<html>"));
  const MemoryFile noise("mtp.safetensors", bytes_of("\x01\x02\x03\x04"));
  EXPECT_THAT(find_foreign(page, "a safetensors file")->message, HasSubstr("not a safetensors file: a web page"));
  EXPECT_FALSE(find_foreign(noise, "a safetensors file"));
}

TEST(Foreign, ADownloadIsNotDoneWhileItsStateIsBesideIt) {
  MemoryFileSystem files;
  files.put("model.gguf", bytes_of("GGUF\x03"));
  const auto alone = open_model(files, "model.gguf");
  EXPECT_THAT(alone.error().hint, HasSubstr("truncated or damaged"));
  files.put("model.gguf.aria2", {});
  const auto loading = open_model(files, "model.gguf");
  EXPECT_THAT(loading.error().hint, HasSubstr("model.gguf.aria2"));
  EXPECT_EQ(loading.error().file_kind, FileKind::kUnfinished);
  // What is wrong inside has nothing to do with it.
  files.put("model.gguf", bytes_of(std::string("GGUF\x09\0\0\0", 8)));
  EXPECT_EQ(open_model(files, "model.gguf").error().file_kind, FileKind::kGgufUnknownVersion);
}

}  // namespace
}  // namespace mtpgraft
