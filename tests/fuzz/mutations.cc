// The ways to damage a GGUF file.
#include <algorithm>
#include <array>
#include <limits>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "random_gguf.h"

namespace mtpgraft::fuzz {
namespace {

using namespace std::string_literals;  // NOLINT(google-build-using-namespace): names with a NUL

constexpr auto kU64Max = std::numeric_limits<std::uint64_t>::max();

std::uint64_t odd_number(std::uint64_t right, Random& random) {
  return random.any_of<std::uint64_t>({0,
                                       1,
                                       right + 1,
                                       right - 1,
                                       right * 2,
                                       right + 32,
                                       7,
                                       64,
                                       65535,
                                       65536,
                                       131073,
                                       std::uint64_t{1} << 30,
                                       (std::uint64_t{1} << 30) + 1,
                                       std::uint64_t{1} << 31,
                                       std::uint64_t{1} << 32,
                                       std::uint64_t{1} << 62,
                                       std::uint64_t{1} << 63,
                                       kU64Max,
                                       kU64Max - 31,
                                       random.bits()});
}

std::uint32_t odd_type(Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<std::uint32_t>(random.below(48));
    case 1:
      return static_cast<std::uint32_t>(90 + random.below(320));
    case 2:
      return random.any_of<std::uint32_t>({4, 5, 31, 32, 33, 36, 37, 38, 42, 43, 44, 47, 48, 15});
    default:
      return random.any_of<std::uint32_t>(
          {0xFFFFFFFF, 0x80000000, 1000, 96, 401, static_cast<std::uint32_t>(random.bits())});
  }
}

void put_u32(Bytes& bytes, std::size_t at, std::uint32_t value) {
  if (at + sizeof(value) <= bytes.size()) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
}

void put_u64(Bytes& bytes, std::size_t at, std::uint64_t value) {
  if (at + sizeof(value) <= bytes.size()) {
    std::memcpy(bytes.data() + at, &value, sizeof(value));
  }
}

bool is_array(const Bytes& value) { return value.front() == std::byte{9}; }

Bytes array_of(std::uint32_t type, std::uint64_t count, std::size_t bytes) {
  auto value = scalar_value(ValueType::kArray, type);
  append_value(value, count);
  value.resize(value.size() + bytes);
  return value;
}

void mutate_magic(GgufSpec& spec, Random& random) {
  if (random.one_in(2)) {
    spec.magic = random.any_of<std::string>({"", "G", "GGUF\x03", "FUGG", "ggjt", "GGUG", "gguf", "\x1f\x8b\x08"});
  } else {
    spec.version = random.any_of<std::uint32_t>({0, 1, 2, 3, 4, 255, 0x10000, 0x02000000, 0x03000000, 0x30000000,
                                                 0x00010003, 0xFFFFFFFF, static_cast<std::uint32_t>(random.bits())});
  }
}

void mutate_counts(GgufSpec& spec, Random& random) {
  (random.one_in(2) ? spec.tensor_count : spec.key_count) =
      odd_number(random.one_in(2) ? spec.tensors.size() : spec.keys.size(), random);
}

void mutate_alignment(GgufSpec& spec, Random& random) {
  if (random.one_in(3)) {
    spec.alignment = random.any_of<std::uint64_t>({1, 2, 8, 16, 24, 48, 64, 128, 4096});
  }
  const auto value =
      random.any_of<std::uint32_t>({0,  1,  2,  3,   4,   5,    7,    8,    16,    24,         31,         32,
                                    33, 48, 64, 100, 128, 4095, 4096, 8192, 65536, 0x40000000, 0x80000000, 0xFFFFFFFF});
  if (random.one_in(2)) {
    spec.alignment = value;
  }
  constexpr std::string_view kKey = "general.alignment";
  switch (random.below(10)) {
    case 0:
      return spec.set_key(kKey, scalar_value(ValueType::kU8, static_cast<std::uint8_t>(value)));
    case 1:
      return spec.set_key(kKey, scalar_value(ValueType::kI32, value));
    case 2:
      return spec.set_key(kKey, scalar_value(ValueType::kU64, std::uint64_t{value}));
    case 3:
      return spec.set_key(kKey, scalar_value(ValueType::kBool, std::uint8_t{1}));
    case 4:
      return spec.set_key(kKey, scalar_value(ValueType::kString, std::uint64_t{0}));
    case 5:
      return spec.set_key(random.one_in(2) ? kKey : std::string_view("general.alignment\0x", 19),
                          array_of(4, random.below(3), 4 * random.below(3)));
    default:
      return spec.set_key(kKey, scalar_value(ValueType::kU32, value));
  }
}

void mutate_key_name(GgufSpec& spec, Random& random) {
  auto& key = random.any(spec.keys);
  switch (random.below(7)) {
    case 0:
      key.name.clear();
      break;
    case 1:
      key.name = std::string(random.any_of<std::size_t>({63, 64, 65, 255, 256, 65534, 65535, 65536, 70000}), 'k');
      break;
    case 2:
      key.name.insert(random.below(key.name.size() + 1), 1, '\0');
      break;
    case 3:
      key.name = random.any(spec.keys).name;
      break;
    case 4:
      key.name = random.any_of<std::string>({"ключ", "\xC3", "\xFF\xFE", " ", "\n", "a\0b"s, "a\0c"s, "\0"s});
      break;
    case 5:
      // Twice, but for what is behind a NUL.
      key.name = random.any(spec.keys).name + "\0x"s;
      break;
    default:
      key.name_bytes = odd_number(key.name.size(), random);
  }
}

void mutate_value(GgufSpec& spec, Random& random) {
  auto& value = random.any(spec.keys).value;
  switch (random.below(6)) {
    case 0:  // of another type
      return put_u32(value, 0,
                     random.any_of<std::uint32_t>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255, 0xFFFFFFFF}));
    case 1:  // with elements of another type
      value = array_of(random.any_of<std::uint32_t>({0, 1, 3, 5, 7, 8, 9, 12, 13, 0xFFFFFFFF}), random.below(5),
                       8 * random.below(9));
      return;
    case 2:  // an array of another length
      value = array_of(static_cast<std::uint32_t>(random.below(13)), odd_number(2, random), 16);
      return;
    case 3:  // a string or an array that says another length
      return put_u64(value, is_array(value) ? 8 : 4, odd_number(4, random));
    case 4:
      value.resize(4 + random.below(value.size()));
      return;
    default:
      append_value(value, random.bits());
  }
}

void mutate_tensor_name(GgufSpec& spec, Random& random) {
  auto& tensor = random.any(spec.tensors);
  switch (random.below(6)) {
    case 0:
      tensor.name.clear();
      break;
    case 1:
      tensor.name = std::string(random.any_of<std::size_t>({62, 63, 64, 65, 128, 1000}), 't');
      break;
    case 2:
      tensor.name.insert(random.below(tensor.name.size() + 1), 1, '\0');
      break;
    case 3:
      tensor.name = random.any(spec.tensors).name + (random.one_in(2) ? ""s : "\0x"s);
      break;
    case 4:
      tensor.name =
          random.any_of<std::string>({"тензор", "\xFF", " ", "\n", "\0"s, "blk.0.", "blk.18446744073709551616.x"});
      break;
    default:
      tensor.name_bytes = odd_number(tensor.name.size(), random);
  }
}

void mutate_shape(GgufSpec& spec, Random& random) {
  auto& tensor = random.any(spec.tensors);
  switch (random.below(5)) {
    case 0:
      tensor.shape.resize(std::max<std::size_t>(tensor.shape.size(), 1), 4);
      random.any(tensor.shape) = odd_number(tensor.shape.front(), random);
      break;
    case 1:  // products that wrap
      tensor.shape.assign(2 + random.below(3), std::uint64_t{1} << (8 + random.below(48)));
      break;
    case 2:
      tensor.shape.resize(random.below(7), random.any_of<std::uint64_t>({0, 1, 2}));
      break;
    case 3:
      tensor.n_dims = random.any_of<std::uint32_t>({0, 1, 2, 3, 4, 5, 6, 255, 0x80000000, 0xFFFFFFFF});
      break;
    default:  // nothing in it, and no data
      tensor.shape.assign(1 + random.below(4), random.any_of<std::uint64_t>({1, 4}));
      random.any(tensor.shape) = 0;
      tensor.data.clear();
  }
}

void mutate_type(GgufSpec& spec, Random& random) {
  auto& tensor = random.any(spec.tensors);
  tensor.type = odd_type(random);
  if (random.one_in(2) && !tensor.shape.empty()) {
    // Room for what it may be.
    tensor.shape.front() = random.any_of<std::uint64_t>({1, 4, 32, 64, 128, 256, 512});
    tensor.data.resize(random.any_of<std::size_t>({1, 18, 34, 144, 210, 292, 296, 512, 2048}));
  }
  if (random.one_in(3)) {
    add_tensor(spec, "one.more.weight", random, true);
  }
}

void mutate_offset(GgufSpec& spec, Random& random) {
  std::uint64_t offset = 0;
  auto& tensor = random.any(spec.tensors);
  for (const auto& other : spec.tensors) {
    if (&other == &tensor) {
      break;
    }
    const auto step = std::max<std::uint64_t>(spec.alignment, 1);
    offset += (other.data.size() + step - 1) / step * step;
  }
  tensor.offset = random.one_in(3) ? offset + random.any_of<std::uint64_t>({32, 1, 4, kU64Max, kU64Max - 31})
                                   : odd_number(offset, random);
}

void mutate_order(GgufSpec& spec, Random& random) {
  auto& a = random.any(spec.tensors);
  auto& b = random.any(spec.tensors);
  switch (random.below(4)) {
    case 0:  // the data of one and the infos of the other
      std::swap(a.data, b.data);
      break;
    case 1:
      std::swap(a, b);
      break;
    case 2:
      a.data.resize(a.data.size() + random.below(70));
      break;
    default:
      a.data.resize(random.below(a.data.size() + 1));
  }
}

void mutate_nothing(GgufSpec& /*spec*/, Random& /*random*/) {}

void cut(Bytes& file, Random& random) {
  const auto from_end = 1 + random.below(std::min<std::size_t>(file.size(), random.one_in(2) ? 100 : file.size()));
  file.resize(file.size() - from_end);
}

void extend(Bytes& file, Random& random) {
  for (auto i = random.below(200); i > 0; --i) {
    file.push_back(static_cast<std::byte>(random.one_in(2) ? 0 : random.bits()));
  }
}

void flip(Bytes& file, Random& random) {
  for (auto i = 1 + random.below(3); i > 0 && !file.empty(); --i) {
    auto& byte = file[random.below(random.one_in(4) ? std::min<std::size_t>(file.size(), 64) : file.size())];
    byte =
        random.one_in(2) ? byte ^ static_cast<std::byte>(1U << random.below(8)) : static_cast<std::byte>(random.bits());
  }
}

void splice(Bytes& file, Random& random) {
  const auto at = [&] { return file.begin() + static_cast<std::ptrdiff_t>(random.below(file.size() + 1)); };
  const auto from = at();
  const auto length = std::min<std::ptrdiff_t>(file.end() - from, static_cast<std::ptrdiff_t>(1 + random.below(64)));
  if (random.one_in(2)) {
    file.erase(from, from + length);
  } else {
    const Bytes copied(from, from + length);
    const auto to = file.begin() + static_cast<std::ptrdiff_t>(random.below(file.size() + 1));
    file.insert(to, copied.begin(), copied.end());
  }
}

struct Mutation {
  std::string_view kind;
  void (*change_spec)(GgufSpec&, Random&);
  void (*change_bytes)(Bytes&, Random&) = nullptr;
};

constexpr auto kMutations = std::to_array<Mutation>({
    {"none: sound files", mutate_nothing},
    {"magic and version", mutate_magic},
    {"counts of keys and tensors", mutate_counts},
    {"alignment", mutate_alignment},
    {"key names", mutate_key_name},
    {"types, lengths and bytes of values", mutate_value},
    {"tensor names", mutate_tensor_name},
    {"shapes", mutate_shape},
    {"tensor types", mutate_type},
    {"data offsets", mutate_offset},
    {"order and sizes of data", mutate_order},
    {"cut at the end", mutate_nothing, cut},
    {"bytes after the end", mutate_nothing, extend},
    {"flipped bytes", mutate_nothing, flip},
    {"bytes taken out or doubled", mutate_nothing, splice},
    {"two or three of these", nullptr},
});

constexpr auto kKinds = [] {
  std::array<std::string_view, kMutations.size()> kinds{};
  std::ranges::transform(kMutations, kinds.begin(), &Mutation::kind);
  return kinds;
}();

void change_spec(const Mutation& mutation, GgufSpec& spec, Random& random) {
  if (!spec.keys.empty() && !spec.tensors.empty()) {
    mutation.change_spec(spec, random);
  }
}

}  // namespace

std::vector<Bytes> spell_giants(const GgufSpec& base) {
  constexpr auto kU8 = static_cast<std::uint32_t>(ValueType::kU8);
  constexpr auto kString = static_cast<std::uint32_t>(ValueType::kString);
  const auto with_arrays = [&](std::size_t keys, std::uint32_t type, std::uint64_t count, std::size_t bytes) {
    auto spec = base;
    for (std::size_t i = 0; i < keys; ++i) {
      spec.keys.push_back({std::to_string(i), array_of(type, count, bytes)});
    }
    return spec.spell();
  };
  constexpr auto kMostKept = KeyValue::kKeptValueBytes;
  return {with_arrays(format::kKeysMax + 1, kU8, 0, 0),
          with_arrays(1, kString, format::kStringElementsMax + 1, 8 * (format::kStringElementsMax + 1)),
          with_arrays(1, kU8, format::kHeaderBytesMax, format::kHeaderBytesMax),
          with_arrays(format::kKeptBytesMax / kMostKept + 1, kU8, kMostKept, kMostKept)};
}

std::span<const std::string_view> mutation_kinds() { return kKinds; }

Bytes mutate(std::size_t kind, GgufSpec spec, Random& random) {
  std::vector<const Mutation*> chosen{&kMutations[kind]};
  if (chosen.front()->change_spec == nullptr) {
    chosen.clear();
    for (auto i = 2 + random.below(2); i > 0; --i) {
      chosen.push_back(&kMutations[1 + random.below(kMutations.size() - 2)]);
    }
  }
  for (const auto* mutation : chosen) {
    change_spec(*mutation, spec, random);
  }
  auto file = spec.spell();
  for (const auto* mutation : chosen) {
    if (mutation->change_bytes != nullptr && !file.empty()) {
      mutation->change_bytes(file, random);
    }
  }
  return file;
}

}  // namespace mtpgraft::fuzz
