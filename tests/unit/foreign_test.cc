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

Bytes content_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Error refusal_of(std::string_view content, const std::string& name = "model.gguf") {
  return refuse_foreign(MemoryFile(name, content_of(content)));
}

bool is_sure(std::string_view name) {
  const auto cut = parse_cut_name(name);
  return cut && cut->is_sure;
}

std::string advice_of(std::string_view name, const std::vector<std::string>& beside) {
  const auto cut = parse_cut_name(name);
  return cut ? advise_joining(*cut, beside) : "";
}

TEST(CutName, IsOfManyPrograms) {
  for (const auto* name : {"M.gguf.part1of2", "M.gguf.part-01", "M.gguf.part_2", "M.gguf.part02", "M.gguf-split-a",
                           "M.gguf.split-ab", "M.gguf.001", "M.gguf.partaa", "M.gguf.PARTAA", "M.gguf.1of3",
                           "M.part1.gguf", "M-part-b.gguf", "M.gguf.Part3-of-4", "M.gguf.part1.of.3"}) {
    EXPECT_TRUE(is_sure(name)) << name;
    EXPECT_EQ(parse_cut_name(name)->whole, "M.gguf") << name;
  }
}

TEST(CutName, IsNoOtherName) {
  for (const auto* name :
       {"M.gguf", "M-00001-of-00002.gguf", "qwen-7b.gguf", "M.gguf.bak", "M.gguf.old", "M.gguf.gz", "M.gguf.part", "a",
        "part1", "M.Q4.gguf", "counterpart.gguf", "M.gguf.sha256", "M.gguf.1", "M.ggufaa", "xaa"}) {
    EXPECT_FALSE(is_sure(name)) << name;
  }
}

TEST(CutName, TheFirstPartBesideItMakesItSure) {
  EXPECT_EQ(advice_of("M.ggufab", {"M.ggufaa", "M.ggufab"}), "join the parts: cat M.ggufaa M.ggufab > M.gguf");
  EXPECT_EQ(advice_of("xaa", {"xaa", "xab", "xac"}), "join the parts: cat xaa xab xac > NEW.gguf");
  EXPECT_EQ(advice_of("M.gguf.AA", {"M.gguf.AA", "M.gguf.AB"}), "join the parts: cat M.gguf.AA M.gguf.AB > M.gguf");
  EXPECT_EQ(advice_of("M.gguf.bak", {"M.gguf.bak", "M.gguf"}), "");
  EXPECT_EQ(advice_of("qwen-7b.gguf", {"qwen-7b.gguf", "qwen-7a.gguf"}), "");
}

TEST(CutName, IsNotASecondDownload) {
  EXPECT_EQ(advice_of("M.gguf.1", {"M.gguf", "M.gguf.1", "M.gguf.2"}), "");
  EXPECT_EQ(advice_of("M.gguf.1", {"M.gguf.1"}), "");
}

TEST(CutName, ListsThePartsInTheirOrder) {
  EXPECT_EQ(advice_of("dir/M x.gguf.part2of2", {"M x.gguf.part1of2", "M x.gguf.part2of2", "M x.gguf.sha"}),
            "join the parts: cat 'dir/M x.gguf.part1of2' 'dir/M x.gguf.part2of2' > 'dir/M x.gguf'");
  std::vector<std::string> names;
  for (int i = 1; i <= 12; ++i) {
    names.push_back("M.gguf.part" + std::to_string(i) + "of12");
  }
  EXPECT_THAT(advice_of("M.gguf.part10of12", names), HasSubstr("part8of12 M.gguf.part9of12 M.gguf.part10of12 M"));
  names.clear();
  for (int i = 0; i < 30; ++i) {
    names.push_back("M.gguf.0" + std::string(i < 10 ? "0" : "") + std::to_string(i));
  }
  EXPECT_EQ(advice_of("M.gguf.004", names),
            "join the parts: for i in $(seq -f %03.0f 0 29); do cat M.gguf.\"$i\"; done > M.gguf");
}

TEST(CutName, TellsWhichPartIsMissing) {
  EXPECT_EQ(advice_of("M.gguf.001", {"M.gguf.001", "M.gguf.002", "M.gguf.004"}),
            "join the parts: cat M.gguf.001 M.gguf.002 > M.gguf");
  EXPECT_EQ(advice_of("M.gguf.004", {"M.gguf.001", "M.gguf.002", "M.gguf.004"}),
            "'M.gguf.003' is not beside it: get all parts first");
  EXPECT_EQ(advice_of("M.gguf.part3of3", {"M.gguf.part3of3"}),
            "'M.gguf.part1of3' is not beside it: get all parts first");
  EXPECT_EQ(advice_of("M.gguf.part1", {"M.gguf.part1"}), "'M.gguf.part2' is not beside it: get all parts first");
}

TEST(CutName, DoesNotOverwriteAModel) {
  EXPECT_EQ(advice_of("M.gguf.001", {"M.gguf", "M.gguf.001", "M.gguf.002"}),
            "join the parts: cat M.gguf.001 M.gguf.002 > NEW.gguf");
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
  const MemoryFile page("mtp.safetensors", content_of("<html>"));
  const MemoryFile noise("mtp.safetensors", content_of("\x01\x02\x03\x04"));
  EXPECT_THAT(find_foreign(page, "a safetensors file")->message, HasSubstr("not a safetensors file: a web page"));
  EXPECT_FALSE(find_foreign(noise, "a safetensors file"));
}

TEST(Foreign, ADownloadIsNotDoneWhileItsStateIsBesideIt) {
  MemoryFileSystem files;
  files.put("model.gguf", content_of("GGUF\x03"));
  const auto alone = open_model(files, "model.gguf");
  EXPECT_THAT(alone.error().hint, HasSubstr("truncated or damaged"));
  files.put("model.gguf.aria2", {});
  const auto loading = open_model(files, "model.gguf");
  EXPECT_THAT(loading.error().hint, HasSubstr("model.gguf.aria2"));
  EXPECT_EQ(loading.error().file_kind, FileKind::kUnfinished);
  // What is wrong inside has nothing to do with it.
  files.put("model.gguf", content_of(std::string("GGUF\x09\0\0\0", 8)));
  EXPECT_EQ(open_model(files, "model.gguf").error().file_kind, FileKind::kGgufUnknownVersion);
}

}  // namespace
}  // namespace mtpgraft
