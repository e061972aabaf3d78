// Heads in other names than llama.cpp's: which they are, what becomes of them, and what cannot be translated.
#include "donor/dialect.h"

#include "convert.h"
#include "gguf/tensor_types.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "model/dialect.h"
#include "models.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/summary.h"
#include "sidecar.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kTypeQ4K = 12;

// With other bytes in every tensor, and in every place of it.
Model with_patterns(const GgufBuilder& builder) {
  auto model = parse_model("donor.gguf", builder.build());
  auto bytes = model.bytes();
  std::mt19937 random(7);
  for (const auto& tensor : model.gguf.tensors) {
    for (std::uint64_t i = 0; i < tensor.size_bytes; ++i) {
      bytes[tensor.offset + i] = static_cast<std::byte>(random() % 251);
    }
  }
  return parse_model("donor.gguf", std::move(bytes));
}

std::vector<std::string> tensor_names(const std::vector<TensorInfo>& tensors) {
  std::vector<std::string> names;
  for (const auto& tensor : tensors) {
    names.push_back(tensor.name);
  }
  return names;
}

// As a graft reads it.
Model translated(const Model& model) {
  const auto translation = find_translation(model.gguf);
  const auto file = std::make_shared<MemoryFile>(model.file->path(), model.bytes());
  return read_model(*rename_tensors(file, model.gguf, translation).value());
}

TEST(Dialect, LlamaCppsOwnNamesAreLeftAlone) {
  for (const auto* name : {"mtp-base-8L-BF16", "head-only-base-8L-BF16", "target-with-head", "donor-align-64"}) {
    const auto translation = find_translation(load_model(name).gguf);
    EXPECT_THAT(translation.dialects, IsEmpty()) << name;
    EXPECT_THAT(translation.tensors, IsEmpty()) << name;
    EXPECT_THAT(translation.problems, IsEmpty()) << name;
  }
}

struct RowCase {
  std::uint32_t type;
  std::uint64_t columns;
  std::size_t row_bytes;  // by the format's tables
};

class JoinedTensor : public testing::TestWithParam<RowCase> {};

INSTANTIATE_TEST_SUITE_P(Types, JoinedTensor,
                         testing::Values(RowCase{tensor_type::kQ8_0, 64, 68}, RowCase{kTypeQ4K, 512, 288},
                                         RowCase{tensor_type::kBF16, 24, 48}, RowCase{tensor_type::kF32, 1, 4}),
                         [](const auto& test) { return tensor_type_name(test.param.type); });

TEST_P(JoinedTensor, AreTheRowsOfBothSideBySide) {
  const auto [type, columns, row_bytes] = GetParam();
  constexpr std::size_t kRows = 7;
  auto builder = sidecar();
  builder.tensor("blk.4.nextn.fc_hidden.weight", {columns, kRows}, type, row_bytes * kRows)
      .tensor("blk.4.nextn.fc_embd.weight", {columns, kRows}, type, row_bytes * kRows);
  const auto before = with_patterns(builder);
  Bytes expected;
  for (std::size_t row = 0; row < kRows; ++row) {
    for (const auto* name : {"blk.4.nextn.fc_embd.weight", "blk.4.nextn.fc_hidden.weight"}) {
      const auto part = data_named(before, name).subspan(row * row_bytes, row_bytes);
      expected.insert(expected.end(), part.begin(), part.end());
    }
  }

  const auto after = translated(before);
  const auto* joined = after.gguf.find_tensor("blk.4.nextn.eh_proj.weight");
  ASSERT_NE(joined, nullptr);
  EXPECT_EQ(joined->type, type);
  EXPECT_THAT(joined->shape, ElementsAre(2 * columns, kRows, 1, 1));
  EXPECT_TRUE(std::ranges::equal(tensor_data(after, *joined), expected));
  EXPECT_EQ(after.gguf.find_tensor("blk.4.nextn.fc_embd.weight"), nullptr);
  EXPECT_EQ(after.gguf.tensors.size(), before.gguf.tensors.size() - 1);

  const auto file = rename_tensors(share(*before.file), before.gguf, find_translation(before.gguf)).value();
  EXPECT_TRUE(read_in_odd_pieces(*file, 11) == read_whole(*file));
  EXPECT_TRUE(read_in_odd_pieces(*file, 300) == read_whole(*file));
}

// What is read of a joined tensor is its parts, for servers to be asked for no more.
TEST(Dialect, AJoinedTensorReadsItsParts) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_embd.weight", {8, 8}).floats("blk.4.nextn.fc_hidden.weight", {8, 8});
  const auto model = with_patterns(builder);
  const auto file = rename_tensors(share(*model.file), model.gguf, find_translation(model.gguf)).value();
  const auto after = read_model(*file);
  const auto* joined = after.gguf.find_tensor("blk.4.nextn.eh_proj.weight");
  const auto reads = file->reads({joined->offset, joined->size_bytes});
  ASSERT_EQ(reads.size(), 2U);
  EXPECT_EQ(reads[0].range.offset, model.gguf.find_tensor("blk.4.nextn.fc_embd.weight")->offset);
  EXPECT_EQ(reads[1].range.offset, model.gguf.find_tensor("blk.4.nextn.fc_hidden.weight")->offset);
  EXPECT_THAT(file->sources(), ElementsAre(model.file.get()));
}

struct NameCase {
  const char* id;
  std::vector<std::string> projections;                      // embedding first
  std::vector<std::pair<std::string, std::string>> renamed;  // to the names after "blk.4."
};

class DialectNames : public testing::TestWithParam<NameCase> {};

INSTANTIATE_TEST_SUITE_P(Dialects, DialectNames,
                         testing::Values(NameCase{"fc-embd",
                                                  {"blk.4.nextn.fc_embd", "blk.4.nextn.fc_hidden"},
                                                  {{"blk.4.nextn.enorm", "enorm"},
                                                   {"blk.4.nextn.hnorm", "hnorm"},
                                                   {"blk.4.nextn.hc_norm", "hc_head_norm"},
                                                   {"blk.4.nextn.hc_down", "hc_head_down"},
                                                   {"blk.4.nextn.hc_up", "hc_head_up"}}},
                                         NameCase{"e-proj",
                                                  {"blk.4.nextn.e_proj", "blk.4.nextn.h_proj"},
                                                  {{"blk.4.nextn.enorm", "enorm"}, {"blk.4.nextn.hnorm", "hnorm"}}},
                                         NameCase{"ik-mtp",
                                                  {"mtp.fc_embd", "mtp.fc_hidden"},
                                                  {{"mtp.pre_norm_embd", "enorm"},
                                                   {"mtp.pre_norm_hidden", "hnorm"},
                                                   {"mtp.mixer_norm", "hc_head_norm"},
                                                   {"mtp.mixer_down", "hc_head_down"},
                                                   {"mtp.mixer_up", "hc_head_up"}}},
                                         NameCase{"hf-mtp",
                                                  {"mtp.fc_embedding", "mtp.fc_hidden"},
                                                  {{"mtp.pre_fc_norm_embedding", "enorm"},
                                                   {"mtp.pre_fc_norm_hidden", "hnorm"},
                                                   {"mtp.hc_norm", "hc_head_norm"},
                                                   {"mtp.hc_down", "hc_head_down"},
                                                   {"mtp.hc_up", "hc_head_up"}}}),
                         [](const auto& test) {
                           std::string name = test.param.id;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(DialectNames, BecomeLlamaCpps) {
  const auto& [id, projections, renamed] = GetParam();
  const auto complete = load_model("archs/qwen4exp/sidecar");
  auto builder = sidecar();
  for (const auto& name : projections) {
    builder.floats(name + ".weight", {kTinyWidth, kTinyWidth});
  }
  for (const auto& [name, standard] : renamed) {
    const auto* tensor = complete.gguf.find_tensor("blk.4.nextn." + standard + ".weight");
    builder.without_tensor(tensor->name)
        .floats(name + ".weight", {tensor->shape.begin(), tensor->shape.begin() + tensor->n_dims});
  }
  const auto before = with_patterns(builder);
  EXPECT_THAT(find_translation(before.gguf).dialects, ElementsAre(id));
  EXPECT_EQ(summarise(before.gguf).head.state, HeadState::kSidecar);

  const auto after = translated(before);
  EXPECT_EQ(find_head(after.gguf).state, HeadState::kSidecar);
  EXPECT_EQ(find_head(after.gguf).tensors.size(), kTinyHeadTensors);
  EXPECT_THAT(try_plan(load_model("archs/qwen4exp/trunk"), after), IsOk());
  for (const auto& [name, standard] : renamed) {
    const auto expected = data_named(before, name + ".weight");
    EXPECT_TRUE(std::ranges::equal(data_named(after, "blk.4.nextn." + standard + ".weight"), expected)) << name;
  }
  constexpr auto kRowBytes = kTinyWidth * sizeof(float);
  const auto row = data_named(after, "blk.4.nextn.eh_proj.weight").first(2 * kRowBytes);
  EXPECT_TRUE(
      std::ranges::equal(row.first(kRowBytes), data_named(before, projections[0] + ".weight").first(kRowBytes)));
  EXPECT_TRUE(std::ranges::equal(row.last(kRowBytes), data_named(before, projections[1] + ".weight").first(kRowBytes)));
  // The model's own mixer, which a sidecar has beside the head's.
  for (const auto* name : {"output_hc_norm.weight", "output_hc_down.weight", "output_hc_up.weight"}) {
    ASSERT_FALSE(data_named(before, name).empty());
    EXPECT_TRUE(std::ranges::equal(data_named(after, name), data_named(before, name))) << name;
  }
  ASSERT_EQ(after.gguf.keys.size(), before.gguf.keys.size());
  for (std::size_t i = 0; i < after.gguf.keys.size(); ++i) {
    EXPECT_EQ(after.gguf.keys[i].key, before.gguf.keys[i].key);
    EXPECT_TRUE(after.gguf.keys[i].same_value(before.gguf.keys[i]));
  }
  EXPECT_THAT(find_translation(after.gguf).dialects, IsEmpty());
}

// Without keys the head's block is the only one there is.
TEST(Dialect, NamesWithoutABlockGetThatOfTheHead) {
  GgufBuilder builder;
  builder.floats("blk.48.attn_norm.weight", {8})
      .floats("mtp.fc_embd.weight", {8, 8})
      .floats("mtp.fc_hidden.weight", {8, 8});
  EXPECT_THAT(tensor_names(translated(with_patterns(builder)).gguf.tensors),
              ElementsAre("blk.48.attn_norm.weight", "blk.48.nextn.eh_proj.weight"));
  builder.floats("blk.47.attn_norm.weight", {8});
  const auto model = with_patterns(builder);
  EXPECT_THAT(find_translation(model.gguf).tensors, IsEmpty());
  EXPECT_THAT(find_head(model.gguf).problems, Contains(HasSubstr("2 tensors keep names of a checkpoint")));
}

// In a whole model, too, and in the place that the keys say.
TEST(Dialect, AWholeModelsHeadIsTranslated) {
  auto builder = edit_model("archs/qwen4exp/full");
  builder.without_tensor("blk.4.nextn.eh_proj.weight")
      .floats("mtp.fc_hidden.weight", {kTinyWidth, kTinyWidth})
      .floats("mtp.fc_embd.weight", {kTinyWidth, kTinyWidth});
  const auto after = translated(with_patterns(builder));
  EXPECT_THAT(tensor_names(after.gguf.tensors), Contains("blk.4.nextn.eh_proj.weight"));
  EXPECT_EQ(find_head(after.gguf).state, HeadState::kPresent);
}

GgufBuilder with_root_mixer() {
  auto builder = edit_model("archs/qwen4exp/sidecar");
  return builder.without_tensor("blk.4.nextn.hc_head_norm.weight")
      .without_tensor("blk.4.nextn.hc_head_down.weight")
      .without_tensor("blk.4.nextn.hc_head_up.weight");
}

TEST(RootMixer, OfASidecarIsTheHeads) {
  const auto before = with_patterns(with_root_mixer());
  EXPECT_THAT(find_translation(before.gguf).dialects, ElementsAre("output-hc"));
  const auto after = translated(before);
  EXPECT_EQ(find_head(after.gguf).state, HeadState::kSidecar);
  for (const std::string part : {"norm", "down", "up"}) {
    EXPECT_EQ(after.gguf.find_tensor("output_hc_" + part + ".weight"), nullptr);
    EXPECT_TRUE(std::ranges::equal(data_named(after, "blk.4.nextn.hc_head_" + part + ".weight"),
                                   data_named(before, "output_hc_" + part + ".weight")));
  }
}

TEST(RootMixer, IsTheModelsWhereItCanBe) {
  const auto is_left = [](const GgufBuilder& builder) {
    return find_translation(parse_model("donor.gguf", builder.build()).gguf).tensors.empty();
  };
  EXPECT_FALSE(is_left(with_root_mixer()));
  auto with_trunk = with_root_mixer();
  EXPECT_TRUE(is_left(with_trunk.floats("blk.0.attn_q.weight", {kTinyWidth, 128})));
  auto with_own = with_root_mixer();
  EXPECT_TRUE(is_left(with_own.floats("blk.4.nextn.hc_head_norm.weight", {4 * kTinyWidth})));
  auto incomplete = with_root_mixer();
  EXPECT_TRUE(is_left(incomplete.without_tensor("output_hc_up.weight")));
}

TEST(Dialect, InspectNamesIt) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_embd.weight", {kTinyWidth, kTinyWidth})
      .floats("blk.4.nextn.fc_hidden.weight", {kTinyWidth, kTinyWidth});
  const auto summary = summarise(parse_model("donor.gguf", builder.build()).gguf);
  EXPECT_THAT(summary.dialects, ElementsAre("fc-embd"));
  EXPECT_EQ(summary.head.state, HeadState::kSidecar);
  EXPECT_EQ(summary.head.tensors.size(), kTinyHeadTensors);
  EXPECT_EQ(summary.runtime, Runtime::kRefuses);
  EXPECT_FALSE(summary.is_draft_model);
  EXPECT_THAT(summarise(load_model(kDonor).gguf).dialects, IsEmpty());
  for (const auto id : summary.dialects) {
    EXPECT_NE(find_dialect(id), nullptr);
  }
  EXPECT_EQ(find_dialect("klingon"), nullptr);
}

TEST(Dialect, ADonorsIsTranslatedAndSaid) {
  auto builder = sidecar();
  builder.floats("blk.4.nextn.fc_embd.weight", {8, 8}).floats("blk.4.nextn.fc_hidden.weight", {8, 8});
  MemoryFileSystem files;
  files.put("donor.gguf", builder.build());
  files.put("standard.gguf", read_bytes(model_path(kDonor)));
  const auto donor = open_donor({.path = "donor.gguf"}, "", {files});
  ASSERT_THAT(donor, IsOk());
  EXPECT_THAT(tensor_names(donor.value().gguf.tensors), Contains("blk.4.nextn.eh_proj.weight"));
  ASSERT_TRUE(donor.value().stored);
  EXPECT_THAT(tensor_names(donor.value().stored->tensors), Contains("blk.4.nextn.fc_embd.weight"));
  EXPECT_THAT(donor.value().notes,
              ElementsAre(HasSubstr("in the names of the forks of drluoto and mihailescu2m: nextn.fc_embd and")));
  const auto standard = open_donor({.path = "standard.gguf"}, "", {files});
  ASSERT_THAT(standard, IsOk());
  EXPECT_THAT(standard.value().notes, IsEmpty());
  EXPECT_FALSE(standard.value().stored);
}

TEST(Dialect, ABorrowingHeadIsADonor) {
  auto builder = edit_model("archs/qwen4exp/sidecar");
  builder.without_tensor("token_embd.weight").without_tensor("output.weight");
  const auto key = "qwen4exp.nextn_shared_target_tensors";
  EXPECT_FALSE(summarise(parse_model("a.gguf", builder.build()).gguf).borrows_tensors);
  EXPECT_FALSE(summarise(parse_model("a.gguf", builder.key(key, false).build()).gguf).borrows_tensors);
  const auto summary = summarise(parse_model("a.gguf", builder.key(key, true).build()).gguf);
  EXPECT_TRUE(summary.borrows_tensors);
  EXPECT_EQ(summary.head.state, HeadState::kSidecar);
  EXPECT_EQ(summary.runtime, Runtime::kRefuses);
  EXPECT_FALSE(summary.is_draft_model);
}

}  // namespace
}  // namespace mtpgraft
