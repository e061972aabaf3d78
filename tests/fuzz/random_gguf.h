// Random GGUF files, sound ones and damaged ones: equal seeds give equal files on every system.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "memory_file_system.h"
#include "mtpgraft/gguf.h"

namespace mtpgraft::fuzz {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // SplitMix64. The distributions of <random> differ between standard libraries.
  std::uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // From 0 to `count` - 1, which must be at least 0.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(bits() % count); }
  bool one_in(std::size_t count) { return below(count) == 0; }

  template <class Range>
  auto& any(Range&& items) {
    return items[below(std::size(items))];
  }
  template <class T>
  T any_of(std::initializer_list<T> items) {
    return items.begin()[below(items.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (auto i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[below(i)]);
    }
  }

 private:
  std::uint64_t state_;
};

// A GGUF file before it is spelled: what is not said otherwise is spelled as it should be.
struct GgufSpec {
  struct Key {
    std::string name;
    Bytes value;  // begins with the type
    std::optional<std::uint64_t> name_bytes{};
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint32_t type = 0;
    Bytes data;
    std::optional<std::uint64_t> name_bytes{};
    std::optional<std::uint32_t> n_dims{};
    std::optional<std::uint64_t> offset{};
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count{};
  std::optional<std::uint64_t> key_count{};
  std::uint64_t alignment = 32;  // that it is laid out by; the key is another thing
  std::vector<Key> keys;
  std::vector<Tensor> tensors;
  bool pads_end = true;
  Bytes trailing{};

  [[nodiscard]] Key* find_key(std::string_view name);
  // In place of an earlier one of that name, else as the last one.
  void set_key(std::string_view name, Bytes value);
  // Lays out by it and says so.
  void set_alignment(std::uint32_t value);
  [[nodiscard]] Bytes spell() const;
};

template <class T>
Bytes scalar_value(ValueType type, T value) {
  const auto id = static_cast<std::uint32_t>(type);
  Bytes bytes(sizeof(id) + sizeof(value));
  std::memcpy(bytes.data(), &id, sizeof(id));
  std::memcpy(bytes.data() + sizeof(id), &value, sizeof(value));
  return bytes;
}

// The file must be sound.
GgufSpec read_spec(const Bytes& file);

// What a file may have and loads with: any version, alignment and order of keys and tensors, keys of any name and
// type, tensors of any type.
void vary(GgufSpec& spec, Random& random);

// One more tensor, of a type that `is_wanted`, with data of the right size.
void add_tensor(GgufSpec& spec, std::string name, Random& random, bool with_fork_types);

// Models of one trunk block and a head, which fit each other: those of tests/golden, with rows as long as is asked
// (a multiple of 4).
void widen(GgufSpec& spec, std::uint64_t row_elements, Random& random);

// The kinds of damage, by the names that the matrix has.
std::span<const std::string_view> mutation_kinds();

// Sound files that are larger than what mtpgraft takes, one for each limit; but not for the number of tensors, since
// ggml would take a minute to compare all their names.
std::vector<Bytes> spell_giants(const GgufSpec& base);

// Damages the file, or leaves it as it is if it has nothing that can be damaged so.
Bytes mutate(std::size_t kind, GgufSpec spec, Random& random);

}  // namespace mtpgraft::fuzz
