#include "convert.h"

#include <dlfcn.h>

#include <cmath>

#include "gguf/dequantize.h"
#include "gguf/tensor_types.h"
#include "gguf_builder.h"
#include "matchers.h"
#include "mtpgraft/head.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> types_of(const Model& model, std::string_view end) {
  std::vector<std::string> types;
  for (const auto& tensor : model.gguf.tensors) {
    if (tensor.name.ends_with(end)) {
      types.push_back(tensor_type_name(tensor.type));
    }
  }
  return types;
}

// Checks that `converted` is `donor` but for the types of the head's matrices, and that those have nearly its values.
void expect_converted(const Model& converted, const Model& donor, std::uint32_t type, float tolerance) {
  const auto head = find_head(donor.gguf);
  ASSERT_EQ(converted.gguf.keys.size(), donor.gguf.keys.size());
  for (std::size_t i = 0; i < donor.gguf.keys.size(); ++i) {
    EXPECT_EQ(converted.gguf.keys[i].key, donor.gguf.keys[i].key);
    EXPECT_TRUE(converted.gguf.keys[i].same_value(donor.gguf.keys[i]));
  }
  EXPECT_EQ(converted.gguf.alignment, donor.gguf.alignment);
  EXPECT_EQ(converted.gguf.size, converted.gguf.data_end);
  ASSERT_EQ(converted.gguf.tensors.size(), donor.gguf.tensors.size());
  for (std::size_t i = 0; i < donor.gguf.tensors.size(); ++i) {
    const auto& before = donor.gguf.tensors[i];
    const auto& after = converted.gguf.tensors[i];
    EXPECT_EQ(after.name, before.name);
    EXPECT_EQ(after.n_dims, before.n_dims);
    EXPECT_EQ(after.shape, before.shape);
    const bool is_head_matrix = std::ranges::count(head.tensors, i) != 0 && !before.is_vector();
    EXPECT_EQ(after.type, is_head_matrix ? type : before.type) << before.name;
    if (after.type == before.type) {
      EXPECT_TRUE(std::ranges::equal(tensor_data(converted, after), tensor_data(donor, before))) << before.name;
      continue;
    }
    const auto values = dequantize(before.type, tensor_data(donor, before)).value();
    const auto close = dequantize(after.type, tensor_data(converted, after)).value();
    EXPECT_TRUE(std::ranges::equal(values, close, [&](float a, float b) { return std::abs(a - b) <= tolerance; }))
        << before.name;
  }
}

class ConvertHead : public testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Donors, ConvertHead,
                         testing::Values("mtp-base-8L-BF16", "head-only-base-8L-BF16", "donor-align-64",
                                         "donor-head-first-order"),
                         [](const auto& test) {
                           auto name = test.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(ConvertHead, GivesAWholeGguf) {
  const auto donor = load_model(GetParam());
  expect_converted(read_model(*convert(donor, "F32").file), donor, tensor_type::kF32, 0);
  expect_converted(read_model(*convert(donor, "F16").file), donor, tensor_type::kF16, 1e-3F);
  expect_converted(read_model(*convert(donor, "Q8_0").file), donor, tensor_type::kQ8_0, 1e-2F);
  EXPECT_EQ(read_whole(*convert(donor, "BF16").file), read_whole(*convert(donor, "bf16").file));
}

TEST_P(ConvertHead, ReadsTheSameInOddPieces) {
  const auto donor = load_model(GetParam());
  for (const auto* type : {"F32", "F16", "Q8_0"}) {
    const auto converted = convert(donor, type);
    const auto whole = read_whole(*converted.file);
    EXPECT_TRUE(read_in_odd_pieces(*converted.file, 300) == whole) << type;
    EXPECT_TRUE(read_in_odd_pieces(*converted.file, 700'000) == whole) << type;
  }
}

TEST(Convert, TheHeadsOwnTypeChangesNothing) {
  const auto donor = load_model(kDonor);
  EXPECT_TRUE(read_whole(*convert(donor, "BF16").file) == donor.bytes());
}

TEST(Convert, ThereAndBackIsTheSame) {
  const auto donor = load_model(kDonor);
  const auto there = read_model(*convert(donor, "F32").file);
  EXPECT_TRUE(read_whole(*convert(there, "BF16").file) == donor.bytes());
}

TEST(Convert, TheResultIsADonor) {
  const auto target = load_model(kTarget);
  const auto donor = read_model(*convert(load_model(kDonor), "Q8_0").file);
  const auto graft = graft_model(target, donor);
  const auto head = find_head(graft.gguf);
  ASSERT_EQ(head.state, HeadState::kPresent);
  for (const auto index : head.tensors) {
    const auto& tensor = graft.gguf.tensors[index];
    EXPECT_EQ(tensor.type, tensor.is_vector() ? tensor_type::kF32 : tensor_type::kQ8_0) << tensor.name;
  }
}

TEST(Convert, QuantisedMatricesAreRefused) {
  const auto result = try_convert(load_model("mtp-base-8L-Q8_0"), "F16");
  EXPECT_THAT(result, FailsWith(ErrorCode::kIncompatible, "blk.8.attn_k.weight' has type Q8_0"));
  EXPECT_EQ(result.error().hint, "use a BF16 donor");
  EXPECT_TRUE(result.error().offset);
  EXPECT_THAT(try_convert(load_model("mtp-base-8L-Q8_0"), "Q8_0"), IsOk());
}

TEST(Convert, TypesThatHeadsCannotHaveAreRefused) {
  const auto donor = load_model(kDonor);
  for (const auto* type :
       {"I8", "I32", "F64", "Q8_1", "Q8_K", "NVFP4", "IQ2_XS", "IQ3_XXS", "Q4_2", "IQ4_K", "Q4_0_R8"}) {
    EXPECT_THAT(try_convert(donor, type), FailsWith(ErrorCode::kUsage, std::string("cannot be made ") + type));
  }
}

TEST(Convert, AGgmlThatIsNotThereIsAnError) {
  const auto donor = load_model(kDonor);
  const auto result = try_convert(donor, "Q4_K", "/nowhere/libggml-base.so");
  EXPECT_THAT(result, FailsWith(ErrorCode::kIo, "No such file"));
  EXPECT_EQ(result.error().path, "/nowhere/libggml-base.so");
  EXPECT_EQ(result.error().remedy, Remedy::kNameGgml);
  EXPECT_THAT(try_convert(donor, "Q4_K", MODELS_DIR), FailsWith(ErrorCode::kIo, "has no libggml-base.so"));
  EXPECT_THAT(try_convert(donor, "Q4_K", std::string(MODELS_DIR) + "/README.md"),
              FailsWith(ErrorCode::kIo, "cannot load ggml"));
  // Types that are built in need none.
  EXPECT_THAT(try_convert(donor, "Q8_0", "/nowhere/libggml-base.so"), IsOk());
}

TEST(Convert, ALibraryThatIsNotGgmlIsRefused) {
  Dl_info libc;
  ASSERT_NE(::dladdr(::dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), &libc), 0);
  EXPECT_THAT(try_convert(load_model(kDonor), "Q4_K", libc.dli_fname),
              FailsWith(ErrorCode::kUnsupported, "is not ggml: has no ggml_init"));
}

TEST(Convert, WhereGgmlWasLookedForIsTold) {
  const EnvironmentVariable path("PATH", "/nowhere");
  const EnvironmentVariable given("MTPGRAFT_GGML", nullptr);
  const auto result = try_convert(load_model(kDonor), "Q4_K");
  if (result.ok()) {
    GTEST_SKIP() << "the system has a ggml";
  }
  EXPECT_THAT(result, FailsWith(ErrorCode::kIo, "found no ggml"));
  EXPECT_THAT(result.error().details,
              ElementsAre(HasSubstr("llama-server"), HasSubstr("libggml-base.so: "), HasSubstr("libggml-base.so.0: ")));
  const EnvironmentVariable wrong("MTPGRAFT_GGML", "/nowhere");
  EXPECT_THAT(try_convert(load_model(kDonor), "Q4_K"), FailsWith(ErrorCode::kIo, "No such file"));
}

// A head of one block; each of `shapes` is a matrix of ones.
Model one_block(const std::vector<std::pair<std::string, std::vector<std::uint64_t>>>& shapes, float value = 1) {
  GgufBuilder builder;
  builder.key("general.architecture", "qwen35")
      .key("qwen35.block_count", std::uint32_t{2})
      .key("qwen35.nextn_predict_layers", std::uint32_t{1})
      .floats("blk.1.nextn.hnorm.weight", {64});
  for (const auto& [name, shape] : shapes) {
    builder.floats("blk.1." + name, shape, value);
  }
  return parse_model("one.gguf", builder.build());
}

TEST(Convert, RowsThatAreNoWholeBlocksFallBack) {
  const auto donor =
      one_block({{"nextn.eh_proj.weight", {128, 64}}, {"attn_q.weight", {80, 3}}, {"attn_k.weight", {40, 3}}});
  const auto q6 = convert(donor, "Q6_K");
  const auto model = read_model(*q6.file);
  EXPECT_THAT(types_of(model, "eh_proj.weight"), ElementsAre("Q8_0"));
  EXPECT_THAT(types_of(model, "attn_q.weight"), ElementsAre("F16"));
  ASSERT_EQ(q6.warnings.size(), 3U);
  EXPECT_EQ(q6.warnings[0].id, "head-type-fallback");
  EXPECT_THAT(q6.warnings[0].message, HasSubstr("'blk.1.nextn.eh_proj.weight' becomes Q8_0"));
  const auto q8 = convert(donor, "Q8_0");
  EXPECT_THAT(types_of(read_model(*q8.file), "weight"), ElementsAre("F32", "Q8_0", "F16", "F16"));
  EXPECT_EQ(q8.warnings.size(), 2U);
  EXPECT_EQ(q8.ggml_version, "");
}

TEST(Convert, WhatLlamaCppKeepsInItsTypeStays) {
  const auto model = read_model(*convert(one_block({{"ffn_gate_inp.weight", {64, 8}},
                                                    {"ffn_gate_inp_shexp.weight", {64, 2}},
                                                    {"indexer.proj.weight", {64, 4}},
                                                    {"some_norm.weight", {64, 4}},
                                                    {"exp_probs_b.bias", {64, 4}},
                                                    {"attn_q.weight", {64, 1}},
                                                    {"ffn_up_exps.weight", {64, 4, 3}}}),
                                         "Q8_0")
                                     .file);
  EXPECT_THAT(types_of(model, ""), ElementsAre("F32", "F32", "F32", "F32", "F32", "F32", "F32", "Q8_0"));
}

TEST(Convert, TheTrunkStays) {
  const auto donor = graft_model(load_model(kTarget), load_model(kDonor));
  expect_converted(read_model(*convert(donor, "F16").file), donor, tensor_type::kF16, 1e-3F);
}

TEST(Convert, ValuesThatAreNotFiniteAreRefusedInBlocks) {
  const auto donor = one_block({{"attn_q.weight", {64, 64}}}, std::nanf(""));
  const auto converted = convert(donor, "Q8_0");
  Bytes bytes(converted.file->size());
  const auto status = converted.file->read_at(0, bytes);
  EXPECT_THAT(status, FailsWith(ErrorCode::kMalformed, "'blk.1.attn_q.weight' has a value that is not finite"));
  EXPECT_EQ(status.error().offset, donor.gguf.find_tensor("blk.1.attn_q.weight")->offset);
  EXPECT_THAT(read_whole(*convert(donor, "F16").file), testing::Not(IsEmpty()));
}

TEST(Convert, RowsThatWouldNeedMuchMemoryAreRefused) {
  auto donor = one_block({{"attn_q.weight", {1U << 19, 1}}, {"attn_k.weight", {1U << 19, 2}}});
  EXPECT_THAT(try_convert(donor, "F16"), FailsWith(ErrorCode::kUnsupported, "rows of 524288 values"));
}

TEST(Convert, AFileThatChangedIsNoticed) {
  const auto file = std::make_shared<MemoryFile>("donor.gguf", read_bytes(model_path(kDonor)));
  const auto gguf = parse_gguf(*file).value();
  const auto converted = convert_head(file, gguf, {tensor_type::kQ8_0, ""});
  ASSERT_THAT(converted, IsOk());
  EXPECT_THAT(converted.value().file->check_unchanged(), IsOk());
  file->pretend_change();
  EXPECT_THAT(converted.value().file->check_unchanged(), testing::Not(IsOk()));
}

}  // namespace
}  // namespace mtpgraft
