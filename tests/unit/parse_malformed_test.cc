#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <set>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft {
namespace {

nlohmann::json read_index(std::string_view folder) {
  return nlohmann::json::parse(std::ifstream(std::filesystem::path(FIXTURES_DIR) / folder / "index.json"));
}

MemoryFile open_fixture(std::string_view folder, const std::string& name) {
  return {name, read_bytes(std::filesystem::path(FIXTURES_DIR) / folder / name)};
}

// 63 bytes and a NUL are what ggml has room for. A message has no room for a megabyte.
TEST(ParseMalformed, NamesOfTensorsMayHave63Bytes) {
  const auto parse = [](std::size_t length) {
    return parse_gguf(MemoryFile("x.gguf", GgufBuilder().floats(std::string(length, 'n'), {8}).build()));
  };
  EXPECT_THAT(parse(63), IsOk());
  EXPECT_THAT(parse(64),
              FailsWith(ErrorCode::kMalformed,
                        fmt::format("tensor 1 of 1, '{}', has a name of 64 bytes; llama.cpp loads at most 63",
                                    std::string(64, 'n'))));
  for (const std::size_t length : {std::size_t{65}, std::size_t{100'000}}) {
    EXPECT_THAT(parse(length), FailsWith(ErrorCode::kMalformed,
                                         fmt::format("'{}...', has a name of {} bytes", std::string(64, 'n'), length)));
  }
}

// Names of keys begin with it.
TEST(ParseMalformed, TheArchitectureCanBeginNames) {
  const auto parse = [](const std::string& architecture) {
    return parse_gguf(
        MemoryFile("x.gguf", GgufBuilder().key("general.architecture", std::string_view(architecture)).build()));
  };
  EXPECT_THAT(parse(std::string(1024, 'a')), IsOk());
  EXPECT_THAT(parse(std::string(1025, 'a')),
              FailsWith(ErrorCode::kMalformed, "has a value of 1025 bytes (limit 1024)"));
  EXPECT_THAT(parse(std::string("qwen35\0moe", 10)), FailsWith(ErrorCode::kMalformed, "has a NUL in its value"));
}

TEST(ParseMalformed, IsRefusedWithTheNamePathAndOffset) {
  const auto index = read_index("malformed");
  ASSERT_GT(index.size(), 40U);
  for (const auto& entry : index) {
    const auto name = entry["file"].get<std::string>();
    SCOPED_TRACE(fmt::format("{}: {}", name, entry["fault"].get<std::string>()));
    const auto file = open_fixture("malformed", name);
    const auto result = parse_gguf(file);
    ASSERT_FALSE(result.ok());
    const auto& error = result.error();
    EXPECT_TRUE(error.code == ErrorCode::kMalformed || error.code == ErrorCode::kUnsupported);
    EXPECT_EQ(error.path, name);
    ASSERT_TRUE(error.offset);
    EXPECT_LE(*error.offset, file.size());
    for (const auto& mention : entry["mentions"]) {
      EXPECT_THAT(error.message, testing::HasSubstr(mention.get<std::string>()));
    }
  }
}

// What a current program would have to be rewritten for is not called damage.
TEST(ParseMalformed, TellsUnsupportedFromDamaged) {
  for (const std::string name : {"version-0", "version-1", "version-4", "big-endian"}) {
    EXPECT_THAT(parse_gguf(open_fixture("malformed", name + ".gguf")), FailsWith(ErrorCode::kUnsupported, ""));
  }
}

TEST(ParseLegal, IsAccepted) {
  const auto index = read_index("legal");
  ASSERT_GT(index.size(), 10U);
  for (const auto& entry : index) {
    SCOPED_TRACE(entry["oddity"].get<std::string>());
    EXPECT_THAT(parse_gguf(open_fixture("legal", entry["file"].get<std::string>())), IsOk());
  }
}

TEST(ParseLegal, FindsTheEndOfTheData) {
  EXPECT_EQ(load_model("legal/trailing-bytes").gguf.data_end, load_model("legal/trailing-byte").gguf.data_end);
  const auto unpadded = load_model("legal/unpadded-end");
  EXPECT_EQ(unpadded.gguf.data_end, unpadded.bytes().size());
}

// The message of a download that broke off must help.
TEST(ParseMalformed, SaysThatATruncatedFileIsTruncated) {
  auto bytes = read_bytes(model_path(kTarget));
  bytes.resize(bytes.size() - 1);
  const auto result = parse_gguf(MemoryFile("cut.gguf", std::move(bytes)));
  EXPECT_THAT(result, FailsWith(ErrorCode::kMalformed, "the file ends at 6719999"));
  EXPECT_THAT(result.error().hint, testing::HasSubstr("truncated"));
}

void expect_prefix_fails(const Bytes& bytes, std::uint64_t size) {
  const MemoryFile file("prefix", Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
  const auto result = parse_gguf(file);
  ASSERT_FALSE(result.ok()) << size;
  ASSERT_EQ(result.error().code, ErrorCode::kMalformed) << size;
  ASSERT_LE(result.error().offset.value(), size) << result.error().message;
}

TEST(ParsePrefix, OfEachGoldenFileFails) {
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIR)) {
    if (entry.path().extension() != ".gguf") {
      continue;
    }
    SCOPED_TRACE(entry.path().string());
    const auto bytes = read_bytes(entry.path());
    const auto gguf = parse_model("golden", bytes).gguf;
    auto needed = gguf.infos_end;
    if (!gguf.tensors.empty()) {
      // A file may end without the last tensor's padding.
      needed = gguf.tensors.back().offset + gguf.tensors.back().size_bytes;
    }
    for (std::uint64_t size = 0; size < needed && !testing::Test::HasFatalFailure(); ++size) {
      expect_prefix_fails(bytes, size);
    }
  }
}

// Around the border of each record, and every 61st: all of them would take half a minute.
TEST(ParsePrefix, OfARealHeaderFails) {
  const auto model = load_model(kTarget);
  std::set<std::uint64_t> sizes;
  const auto add_around = [&](std::uint64_t border) {
    for (auto size = border - 9; size <= border + 17; ++size) {
      sizes.insert(size);
    }
  };
  for (const auto& item : model.gguf.keys) {
    add_around(item.offset);
    add_around(item.value_offset);
  }
  for (const auto& tensor : model.gguf.tensors) {
    add_around(tensor.info_offset);
  }
  for (std::uint64_t size = 0; size < model.gguf.data_offset; size += 61) {
    sizes.insert(size);
  }
  sizes.insert(model.gguf.data_offset - 1);
  for (const auto size : sizes) {
    expect_prefix_fails(model.bytes(), size);
  }
}

}  // namespace
}  // namespace mtpgraft
