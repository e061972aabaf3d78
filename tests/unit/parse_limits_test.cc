// Hostile files: whatever the header says, parsing ends with a Result and costs little memory. This file replaces the
// global operator new of the whole test program to measure that.
#include <malloc.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "mtpgraft/head.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/summary.h"

namespace {

std::atomic<std::size_t> live_bytes = 0;
std::atomic<std::size_t> peak_bytes = 0;
std::atomic<std::size_t> largest_bytes = 0;

void raise_to(std::atomic<std::size_t>& maximum, std::size_t value) {
  auto seen = maximum.load();
  while (seen < value && !maximum.compare_exchange_weak(seen, value)) {
  }
}

}  // namespace

// Not inlined: GCC 12 would otherwise see memory of malloc given to operator delete.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t& /*tag*/) noexcept {
  void* memory = std::malloc(size);
  if (memory != nullptr) {
    raise_to(largest_bytes, size);
    raise_to(peak_bytes, live_bytes += malloc_usable_size(memory));
  }
  return memory;
}

[[gnu::noinline]] void* operator new(std::size_t size) {
  void* memory = operator new(size, std::nothrow);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

[[gnu::noinline]] void operator delete(void* memory) noexcept {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

[[gnu::noinline]] void operator delete(void* memory, std::size_t /*size*/) noexcept { operator delete(memory); }

namespace mtpgraft {
namespace {

// Since its construction; the bytes that were live then do not count.
class AllocationMeter {
 public:
  AllocationMeter() : start_(live_bytes) {
    peak_bytes = start_;
    largest_bytes = 0;
  }
  [[nodiscard]] std::size_t peak() const { return peak_bytes - start_; }
  [[nodiscard]] static std::size_t largest() { return largest_bytes; }

 private:
  std::size_t start_;
};

constexpr std::size_t kFixedBytes = std::size_t{1} << 20;

// Parses, and does with the result what the program does before it reads any data.
void parse_and_look(const MemoryFile& file) {
  const AllocationMeter meter;
  const auto result = parse_gguf(file);
  ASSERT_LE(meter.largest(), kFixedBytes + 16 * file.size());
  ASSERT_LE(meter.peak(), kFixedBytes + 64 * file.size());
  if (result.ok()) {
    summarise(result.value());
    ASSERT_LE(meter.largest(), kFixedBytes + 16 * file.size());
  } else {
    ASSERT_FALSE(result.error().message.empty());
  }
}

TEST(ParseLimits, EverySingleBitFlipOfAHeaderGivesAResult) {
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIR)) {
    if (entry.path().extension() != ".gguf") {
      continue;
    }
    SCOPED_TRACE(entry.path().string());
    const auto bytes = read_bytes(entry.path());
    const auto header_bits = parse_model("golden", bytes).gguf.infos_end * 8;
    for (std::uint64_t bit = 0; bit < header_bits; ++bit) {
      auto flipped = bytes;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      parse_and_look(MemoryFile("flipped", std::move(flipped)));
      ASSERT_FALSE(testing::Test::HasFatalFailure()) << "bit " << bit;
    }
  }
}

// Planning must be as robust as parsing: it takes its numbers from the same headers.
TEST(ParseLimits, ABitFlipOfATargetOrDonorPlansOrFails) {
  const auto target = load_model("golden/tiny-qwen35-target");
  const auto donor = load_model("golden/tiny-qwen35-donor");
  ASSERT_THAT(try_plan(target, donor), IsOk());
  std::size_t planned = 0;
  for (const auto* flipped : {&target, &donor}) {
    // Every fifth bit: all bits of a byte are met, and the test stays short.
    for (std::uint64_t bit = 0; bit < flipped->gguf.infos_end * 8; bit += 5) {
      auto bytes = flipped->bytes();
      bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      Model changed{std::make_unique<MemoryFile>("flipped", std::move(bytes)), {}};
      auto gguf = parse_gguf(*changed.file);
      if (!gguf.ok()) {
        continue;
      }
      changed.gguf = std::move(gguf).value();
      const auto& data_source = flipped == &donor ? changed : donor;
      const auto head_data = read_head_data(*data_source.file, data_source.gguf, DigestHead::kYes, keep_going);
      if (!head_data.ok()) {
        continue;
      }
      const auto plan = make_graft_plan(flipped == &target ? changed.gguf : target.gguf, data_source.gguf,
                                        head_data.value(), graft_options(target, donor));
      planned += plan.ok() ? 1 : 0;
      ASSERT_TRUE(plan.ok() || !plan.error().message.empty()) << "bit " << bit;
    }
  }
  EXPECT_GT(planned, 200U);
}

// Sets the u64 at `offset`.
Bytes lie(Bytes bytes, std::size_t offset, std::uint64_t value) {
  std::memcpy(&bytes[offset], &value, sizeof(value));
  return bytes;
}

TEST(ParseLimits, ACountThatLiesCostsNothing) {
  const auto bytes = read_bytes(model_path("golden/tiny-qwen35-target"));
  for (const std::size_t offset : {8U, 16U}) {
    for (const std::uint64_t count : {std::uint64_t{1} << 20, std::uint64_t{1} << 40, UINT64_MAX, UINT64_MAX / 8}) {
      const MemoryFile file("liar", lie(bytes, offset, count));
      const AllocationMeter meter;
      EXPECT_THAT(parse_gguf(file), FailsWith(ErrorCode::kMalformed, offset == 8 ? "tensor count" : "key count"));
      EXPECT_LE(meter.peak(), kFixedBytes);
    }
  }
}

TEST(ParseLimits, AnArrayThatLiesCostsNothing) {
  for (const std::uint32_t element_type : {0U, 7U, 8U, 10U}) {
    for (const std::uint64_t count : {std::uint64_t{1} << 29, std::uint64_t{1} << 61, UINT64_MAX}) {
      Bytes value(4 + 4 + 8);
      const std::array<std::uint32_t, 2> types{9, element_type};
      std::memcpy(value.data(), types.data(), sizeof(types));
      std::memcpy(&value[8], &count, sizeof(count));
      const MemoryFile file("liar", GgufBuilder().raw_key("lengthy", std::move(value)).build());
      const AllocationMeter meter;
      EXPECT_THAT(parse_gguf(file), FailsWith(ErrorCode::kMalformed, "lengthy"));
      EXPECT_LE(meter.peak(), kFixedBytes);
    }
  }
}

// Memory follows the number of keys and tensors, not the bytes of their values.
TEST(ParseLimits, LongValuesAreNotHeld) {
  const MemoryFile file("long", GgufBuilder().key("text", std::string(64 << 20, 'x')).build());
  const AllocationMeter meter;
  EXPECT_THAT(parse_gguf(file), IsOk());
  EXPECT_LE(meter.peak(), kFixedBytes);
}

TEST(ParseLimits, ManyTinyKeysStayProportional) {
  GgufBuilder builder;
  for (int i = 0; i < 4000; ++i) {
    builder.raw_key(std::to_string(i), Bytes(5));
  }
  parse_and_look(MemoryFile("many", builder.build()));
}

}  // namespace
}  // namespace mtpgraft
