#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/gguf.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

using Json = nlohmann::json;

Json read_json(const std::filesystem::path& path) { return Json::parse(std::ifstream(path)); }

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIR)) {
    if (entry.path().extension() == ".gguf") {
      names.push_back("golden/" + entry.path().stem().string());
    }
  }
  return names;
}

void expect_element(const KeyValue& item, std::uint64_t index, const Json& expected) {
  SCOPED_TRACE(fmt::format("element {}", index));
  if (expected.is_boolean()) {
    EXPECT_EQ(item.value.integer_at(index), expected.get<bool>() ? 1 : 0);
  } else if (expected.is_number_unsigned()) {
    EXPECT_EQ(item.value.unsigned_at(index), expected.get<std::uint64_t>());
  } else if (expected.is_number_integer()) {
    EXPECT_EQ(item.value.integer_at(index), expected.get<std::int64_t>());
    EXPECT_EQ(item.value.unsigned_at(index), std::nullopt);
  } else {
    EXPECT_EQ(item.value.number_at(index), expected.get<double>());
    EXPECT_EQ(item.value.integer_at(index), std::nullopt);
  }
}

void expect_value(const KeyValue& item, const Json& expected) {
  const auto& value = expected["value"];
  EXPECT_EQ(static_cast<int>(item.value.type), expected["type"]);
  ASSERT_TRUE(item.is_complete());
  if (!item.value.is_array()) {
    if (value.is_string()) {
      EXPECT_EQ(item.text(), value.get<std::string>());
    } else {
      expect_element(item, 0, value);
    }
    EXPECT_EQ(item.value.element_count, 1U);
    return;
  }
  EXPECT_EQ(static_cast<int>(item.value.element_type), expected["element_type"]);
  ASSERT_EQ(item.value.element_count, value.size());
  EXPECT_EQ(item.value.integer_at(value.size()), std::nullopt);
  if (item.value.element_type == ValueType::kString) {
    const auto strings = item.value.strings();
    EXPECT_EQ(std::vector<std::string>(strings.begin(), strings.end()), value.get<std::vector<std::string>>());
    return;
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    expect_element(item, i, value[i]);
  }
}

TEST(ParseGolden, FindsWhatAnotherReaderFinds) {
  ASSERT_EQ(golden_names().size(), 7U);
  for (const auto& name : golden_names()) {
    SCOPED_TRACE(name);
    const auto gguf = load_model(name).gguf;
    const auto expected = read_json(model_path(name).replace_extension(".json"));
    EXPECT_EQ(gguf.version, expected["version"]);
    EXPECT_EQ(gguf.alignment, expected["alignment"]);
    EXPECT_EQ(gguf.data_offset, expected["data_offset"]);
    EXPECT_EQ(gguf.size, expected["file_size"]);
    EXPECT_EQ(gguf.data_end, expected["file_size"]);
    ASSERT_EQ(gguf.keys.size(), expected["keys"].size());
    for (std::size_t i = 0; i < gguf.keys.size(); ++i) {
      SCOPED_TRACE(gguf.keys[i].key);
      EXPECT_EQ(gguf.keys[i].key, expected["keys"][i]["name"]);
      expect_value(gguf.keys[i], expected["keys"][i]);
    }
    ASSERT_EQ(gguf.tensors.size(), expected["tensors"].size());
    for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
      const auto& tensor = gguf.tensors[i];
      const auto& wanted = expected["tensors"][i];
      SCOPED_TRACE(tensor.name);
      EXPECT_EQ(tensor.name, wanted["name"]);
      EXPECT_EQ(std::vector(tensor.shape.begin(), tensor.shape.begin() + tensor.n_dims), wanted["shape"]);
      EXPECT_EQ(tensor.type, wanted["type"]);
      EXPECT_EQ(tensor.offset, wanted["offset"]);
      EXPECT_EQ(tensor.size_bytes, wanted["bytes"]);
    }
  }
}

TEST(ParseGolden, RecordsTileTheHeader) {
  for (const auto& name : golden_names()) {
    SCOPED_TRACE(name);
    const auto model = load_model(name);
    std::uint64_t at = 24;
    for (const auto& item : model.gguf.keys) {
      EXPECT_EQ(item.offset, at);
      at = item.end;
      const auto value = std::span(model.bytes()).subspan(item.value_offset, item.value_bytes());
      EXPECT_TRUE(std::ranges::equal(item.value.bytes, value)) << item.key;
      EXPECT_EQ(item.digest, digest_of(value)) << item.key;
    }
    for (const auto& tensor : model.gguf.tensors) {
      EXPECT_EQ(tensor.info_offset, at);
      at = tensor.info_end;
    }
    EXPECT_EQ(model.gguf.infos_end, at);
  }
}

TEST(Parse, ReadsAnyByteButZeroAsTrue) {
  EXPECT_EQ(load_model("legal/bool-2").gguf.find_key("truth")->value.integer_at(), 1);
}

TEST(Parse, KeepsOnlyTheStartOfLongValuesAndTheDigestOfAll) {
  std::vector<std::uint32_t> numbers(100'000);
  std::vector<std::string> words;
  for (std::uint32_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = i;
    words.push_back(fmt::format("word {}", i));
  }
  auto changed = numbers;
  changed.back() = 0;
  const auto model = parse_model("long", GgufBuilder()
                                             .key("numbers", numbers)
                                             .key("same", numbers)
                                             .key("changed", changed)
                                             .key("words", words)
                                             .key("text", std::string(70'000, 'x'))
                                             .key("after", std::uint32_t{7})
                                             .build());
  const auto* item = model.gguf.find_key("numbers");
  EXPECT_EQ(item->value.bytes.size(), 65536U);
  EXPECT_FALSE(item->is_complete());
  EXPECT_EQ(item->value.integer_at(16383), 16383);
  EXPECT_EQ(item->value.integer_at(16384), std::nullopt);
  const auto value = std::span(model.bytes()).subspan(item->value_offset, item->value_bytes());
  EXPECT_EQ(item->digest, digest_of(value));
  EXPECT_TRUE(item->same_value(*model.gguf.find_key("same")));
  EXPECT_FALSE(item->same_value(*model.gguf.find_key("changed")));
  const auto kept = model.gguf.find_key("words")->value.strings();
  ASSERT_GT(kept.size(), 1000U);
  EXPECT_EQ(kept[999], "word 999");
  EXPECT_EQ(model.gguf.find_key("text")->text(), std::nullopt);
  EXPECT_EQ(model.gguf.find_key("after")->value.integer_at(), 7);
}

TEST(Parse, FindsKeysByArchitecture) {
  const auto gguf = load_model(kTarget).gguf;
  EXPECT_EQ(gguf.architecture(), "qwen35");
  EXPECT_EQ(gguf.find_arch_key("block_count")->value.integer_at(), 12);
  EXPECT_EQ(gguf.find_key("block_count"), nullptr);
  EXPECT_EQ(gguf.find_tensor("blk.99.attn_q.weight"), nullptr);
  EXPECT_EQ(load_model("golden/all-value-types").gguf.architecture(), "");
}

// A type that no table has, or only by its name: its size follows from the next tensor, so its padding counts as data.
TEST(Parse, TakesUnknownTypesAsOpaqueBytes) {
  for (const std::uint32_t type : {199U, 36U, 43U, 100U}) {
    const auto bytes = GgufBuilder().tensor("odd", {32}, type, 100).tensor("next", {8}, 0, 32).build();
    const auto gguf = parse_model("odd", bytes).gguf;
    EXPECT_EQ(gguf.tensors[0].size_bytes, 128U) << type;
    EXPECT_EQ(gguf.tensors[1].offset, gguf.data_offset + 128) << type;
  }
}

// 42 is Q2_0 upstream (64 weights in 18 bytes) and something else in forks.
TEST(Parse, BelievesClashingTypesOnlyWhereTheOffsetsAgree) {
  const auto upstream = parse_model("q2_0", GgufBuilder().tensor("a", {64}, 42, 18).floats("b", {8}).build());
  EXPECT_EQ(upstream.gguf.tensors[0].size_bytes, 18U);
  const auto fork = parse_model("turbo", GgufBuilder().tensor("a", {64}, 42, 80).floats("b", {8}).build());
  EXPECT_EQ(fork.gguf.tensors[0].size_bytes, 96U);
}

struct LastTensor {
  std::string what;
  GgufBuilder others;
  std::vector<std::uint64_t> shape;
  std::uint32_t type;
  std::size_t bytes;         // in the file
  std::uint64_t size_bytes;  // as it should be read; 0: the file is refused as truncated
};

// Behind the last tensor nothing but the end of the file tells where its data end, and that may lie.
TEST(Parse, SizesTheLastTensorOfATypeByItsTableOrByTheOthersOfThatType) {
  const auto fork = [](std::uint32_t type) { return GgufBuilder().tensor("a", {64, 64}, type, 64 * 80); };
  const std::vector<LastTensor> cases = {
      {"alone, it is upstream's", {}, {64, 8}, 42, 144, 144},
      {"padded", {}, {64, 8}, 42, 160, 144},
      {"with bytes behind it", {}, {64, 8}, 42, 5000, 144},
      {"cut short", {}, {64, 8}, 42, 143, 0},
      {"cut before its first byte", {}, {64, 8}, 42, 0, 0},
      {"Q8_K as upstream has it", {}, {256, 4}, 15, 4 * 296, 4 * 292},
      {"others are upstream's, too", GgufBuilder().tensor("a", {64}, 42, 18), {64, 8}, 42, 640, 144},
      {"others have a fork's rows", fork(42), {64, 16}, 42, 16 * 80, 16 * 80},
      {"a fork's, with bytes behind it", fork(42), {64, 16}, 42, 16 * 80 + 100, 16 * 80},
      {"a fork's, cut short", fork(42), {64, 16}, 42, 16 * 80 - 1, 0},
      {"a fork's, and rows of another length do not tell", fork(42), {128, 2}, 42, 333, 333},
      {"in no table, alone: all that is there", {}, {64, 8}, 199, 333, 333},
      {"in no table, alone and without data", {}, {64, 8}, 199, 0, 0},
      {"in no table, as the others", fork(199), {64, 8}, 199, 640, 640},
      {"in no table, longer than the others", fork(199), {64, 8}, 199, 641, 640},
      {"in no table, shorter than the others", fork(199), {64, 8}, 199, 500, 0},
      {"known by name only", fork(43), {64, 8}, 43, 900, 640},
      // 7 rows in 416 to 448 bytes: 60 to 64 for each.
      {"known up to padding: fits", GgufBuilder().tensor("a", {64, 7}, 199, 430), {64, 7}, 199, 420, 420},
      {"known up to padding: longer", GgufBuilder().tensor("a", {64, 7}, 199, 430), {64, 7}, 199, 500, 448},
      {"known up to padding: shorter", GgufBuilder().tensor("a", {64, 7}, 199, 430), {64, 7}, 199, 410, 0},
      // I2_S has 32 bytes for each tensor besides its rows: these are not told from two tensors, and not cut off.
      {"a fork's with bytes of its own for each tensor",
       GgufBuilder().tensor("a", {64, 64}, 36, 1056),
       {64, 128},
       36,
       2080,
       2080},
      {"rows times their bytes pass all bounds", fork(199), {64, std::uint64_t{1} << 56}, 199, 640, 0},
  };
  for (const auto& [what, others, shape, type, bytes, size_bytes] : cases) {
    SCOPED_TRACE(what);
    auto builder = others;
    auto file = builder.tensor("last", shape, type, bytes).build();
    file.resize(file.size() - (bytes + 31) / 32 * 32 + bytes);
    const auto gguf = parse_gguf(MemoryFile("last.gguf", std::move(file)));
    if (size_bytes == 0) {
      ASSERT_THAT(gguf, FailsWith(ErrorCode::kMalformed, "tensor 'last' needs "));
      EXPECT_THAT(gguf.error().hint, testing::HasSubstr("truncated"));
    } else {
      ASSERT_THAT(gguf, IsOk());
      EXPECT_EQ(gguf.value().tensors.back().size_bytes, size_bytes);
    }
  }
}

// IQ4_KS has 4 bytes in front of each row.
TEST(Parse, CountsRowBytesOfForkTypes) {
  const auto bytes = GgufBuilder().tensor("rows", {512, 3}, 144, 3 * (4 + 2 * 136)).build();
  EXPECT_EQ(parse_model("rows", bytes).gguf.tensors[0].size_bytes, 828U);
}

TEST(Parse, PassesOnReadErrors) {
  class Unreadable final : public ReadableFile {
   public:
    [[nodiscard]] const std::string& path() const override { return path_; }
    [[nodiscard]] std::uint64_t size() const override { return 1000; }
    [[nodiscard]] std::uint64_t stored_bytes() const override { return 1000; }
    [[nodiscard]] Status check_unchanged() const override { return ok_status(); }
    Status read_at(std::uint64_t, std::span<std::byte>) const override { return Error{ErrorCode::kIo, "bad sector"}; }

   private:
    std::string path_ = "broken-disk";
  };
  EXPECT_THAT(parse_gguf(Unreadable()), FailsWith(ErrorCode::kIo, "bad sector"));
}

}  // namespace
}  // namespace mtpgraft
