#include "random_gguf.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "gguf/serialize.h"
#include "gguf/tensor_types.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::uint32_t kTypeIdsEnd = 512;  // above all of the table
constexpr std::uint64_t kRowElementsMin = 4;

constexpr std::array kScalarTypes{ValueType::kU8,  ValueType::kI8,  ValueType::kU16, ValueType::kI16,
                                  ValueType::kU32, ValueType::kI32, ValueType::kF32, ValueType::kBool,
                                  ValueType::kU64, ValueType::kI64, ValueType::kF64, ValueType::kString};

void append_random(Bytes& bytes, std::size_t count, Random& random) {
  for (std::size_t i = 0; i < count; ++i) {
    bytes.push_back(static_cast<std::byte>(random.bits()));
  }
}

std::string random_text(Random& random) {
  std::string text;
  for (auto i = random.below(12); i > 0; --i) {
    text += random.one_in(8) ? "é\n" : std::string(1, static_cast<char>('a' + random.below(26)));
  }
  return random.one_in(40) ? std::string(random.below(3000), 'x') : text;
}

void append_scalar(Bytes& bytes, ValueType type, Random& random) {
  if (type == ValueType::kString) {
    append_string(bytes, random_text(random));
  } else {
    append_random(bytes, value_type_bytes(type), random);
  }
}

Bytes random_value(Random& random) {
  const auto type = random.any(kScalarTypes);
  Bytes bytes;
  if (random.one_in(2)) {
    append_value(bytes, static_cast<std::uint32_t>(type));
    append_scalar(bytes, type, random);
    return bytes;
  }
  const auto count = random.any_of<std::uint64_t>({0, 0, 1, 2, 5, 33, 300});
  append_value(bytes, static_cast<std::uint32_t>(ValueType::kArray));
  append_value(bytes, static_cast<std::uint32_t>(type));
  append_value(bytes, count);
  for (std::uint64_t i = 0; i < count; ++i) {
    append_scalar(bytes, type, random);
  }
  return bytes;
}

std::string random_key_name(Random& random) {
  const auto number = std::to_string(random.below(1000));
  switch (random.below(8)) {
    case 0:
      return " " + number;
    case 1:
      return "ключ." + number + ".值";
    case 2:
      return "\xFF\xFE\x1b[31m" + number;
    case 3:
      return std::string(random.any_of<std::size_t>({63, 64, 65, 255, 1000}), 'k') + number;
    case 4:
      return number;
    case 5:
      return "a'\"\\\n\t%s{}" + number;
    default:
      return "general." + number + ".url";
  }
}

std::vector<const TensorType*> list_types(bool with_forks) {
  std::vector<const TensorType*> types;
  for (std::uint32_t id = 0; id < kTypeIdsEnd; ++id) {
    const auto* type = find_tensor_type(id);
    const bool is_fork = type != nullptr && (type->origin == TypeOrigin::kFork || type->origin == TypeOrigin::kClash);
    if (is_upstream_tensor_type(id) || (with_forks && is_fork)) {
      types.push_back(type);
    }
  }
  return types;
}

template <class Item>
void splice_in(std::vector<Item>& items, Item item, Random& random) {
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(random.below(items.size() + 1)), std::move(item));
}

}  // namespace

GgufSpec::Key* GgufSpec::find_key(std::string_view name) {
  const auto found = std::ranges::find(keys, name, &Key::name);
  return found != keys.end() ? &*found : nullptr;
}

void GgufSpec::set_key(std::string_view name, Bytes value) {
  if (auto* const key = find_key(name)) {
    key->value = std::move(value);
  } else {
    keys.push_back({std::string(name), std::move(value)});
  }
}

void GgufSpec::set_alignment(std::uint32_t value) {
  alignment = value;
  set_key("general.alignment", scalar_value(ValueType::kU32, value));
}

Bytes GgufSpec::spell() const {
  const auto step = std::max<std::uint64_t>(alignment, 1);
  // So large that nothing could be padded to it.
  const auto padded = [step](std::uint64_t size) { return step > 65536 ? size : (size + step - 1) / step * step; };
  Bytes file;
  append_bytes(file, magic.data(), magic.size());
  append_value(file, version);
  append_value(file, tensor_count.value_or(tensors.size()));
  append_value(file, key_count.value_or(keys.size()));
  for (const auto& key : keys) {
    append_value(file, key.name_bytes.value_or(key.name.size()));
    append_bytes(file, key.name.data(), key.name.size());
    append_bytes(file, key.value.data(), key.value.size());
  }
  std::uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    append_value(file, tensor.name_bytes.value_or(tensor.name.size()));
    append_bytes(file, tensor.name.data(), tensor.name.size());
    append_value(file, tensor.n_dims.value_or(static_cast<std::uint32_t>(tensor.shape.size())));
    for (const auto extent : tensor.shape) {
      append_value(file, extent);
    }
    append_value(file, tensor.type);
    append_value(file, tensor.offset.value_or(offset));
    offset += padded(tensor.data.size());
  }
  for (const auto& tensor : tensors) {
    file.resize(padded(file.size()));
    append_bytes(file, tensor.data.data(), tensor.data.size());
  }
  if (pads_end && !tensors.empty()) {
    file.resize(padded(file.size()));
  }
  append_bytes(file, trailing.data(), trailing.size());
  return file;
}

GgufSpec read_spec(const Bytes& file) {
  const MemoryFile source("model.gguf", file);
  const auto gguf = parse_gguf(source).value();
  const auto cut = [&](std::uint64_t from, std::uint64_t to) {
    return Bytes(file.begin() + static_cast<std::ptrdiff_t>(from), file.begin() + static_cast<std::ptrdiff_t>(to));
  };
  GgufSpec spec;
  spec.version = gguf.version;
  spec.alignment = gguf.alignment;
  for (const auto& item : gguf.keys) {
    spec.keys.push_back({item.key, cut(item.offset + 8 + item.key.size(), item.end)});
  }
  for (const auto& tensor : gguf.tensors) {
    spec.tensors.push_back({tensor.name,
                            {tensor.shape.begin(), tensor.shape.begin() + tensor.n_dims},
                            tensor.type,
                            cut(tensor.offset, tensor.offset + tensor.size_bytes)});
  }
  return spec;
}

void add_tensor(GgufSpec& spec, std::string name, Random& random, bool with_fork_types) {
  static const auto kAll = list_types(true);
  static const auto kUpstream = list_types(false);
  const auto& type = *random.any(with_fork_types ? kAll : kUpstream);
  const auto block = std::max(type.block_elements, 1U);
  GgufSpec::Tensor tensor{std::move(name), {block * (1 + random.below(2))}, type.id, {}};
  while (tensor.shape.size() < 4 && random.one_in(2)) {
    tensor.shape.push_back(1 + random.below(3));
  }
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};
  std::ranges::copy(tensor.shape, shape.begin());
  const bool is_sized =
      type.block_elements != 0 && (type.origin != TypeOrigin::kClash || is_upstream_tensor_type(type.id));
  // Where the table has no size, all rows of a type are of one size, as they are in any program.
  const auto rows = shape[1] * shape[2] * shape[3];
  append_random(tensor.data, is_sized ? *tensor_bytes(type, shape) : rows * shape[0] * (1 + type.id % 29), random);
  splice_in(spec.tensors, std::move(tensor), random);
}

void vary(GgufSpec& spec, Random& random) {
  spec.version = random.one_in(4) ? 2 : 3;
  for (auto i = random.below(4); i > 0; --i) {
    const auto name = random_key_name(random);
    if (spec.find_key(name) == nullptr) {
      splice_in(spec.keys, {name, random_value(random)}, random);
    }
  }
  if (random.one_in(2)) {
    spec.set_alignment(1U << random.below(13));
  }
  if (random.one_in(3)) {
    random.shuffle(spec.keys);
  }
  if (random.one_in(3)) {
    random.shuffle(spec.tensors);
  }
  spec.pads_end = !random.one_in(3);
  if (random.one_in(6)) {
    append_random(spec.trailing, random.below(100), random);
  }
}

void widen(GgufSpec& spec, std::uint64_t row_elements, Random& random) {
  const auto factor = row_elements / kRowElementsMin;
  for (auto& key : spec.keys) {
    const auto is_width = key.name.ends_with("_length") && !key.name.ends_with("context_length");
    if (is_width && key.value == scalar_value(ValueType::kU32, static_cast<std::uint32_t>(kRowElementsMin))) {
      key.value = scalar_value(ValueType::kU32, static_cast<std::uint32_t>(row_elements));
    }
  }
  for (auto& tensor : spec.tensors) {
    const bool has_vocabulary = tensor.name == "token_embd.weight" || tensor.name == "output.weight";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      tensor.shape[i] *= i == 1 && has_vocabulary ? 1 : factor;
    }
    const auto elements =
        tensor.data.size() / sizeof(float) * factor * (tensor.shape.size() > 1 && !has_vocabulary ? factor : 1);
    tensor.data.clear();
    for (std::size_t i = 0; i < elements; ++i) {
      append_value(tensor.data, 0.5F + static_cast<float>(random.below(1000)) / 1000);
    }
  }
}

}  // namespace mtpgraft::fuzz
