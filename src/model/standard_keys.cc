#include "model/standard_keys.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "gguf/serialize.h"
#include "model/architectures.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

KeyValue made_key(std::string key, GgufValue value) {
  KeyValue item;
  item.key = std::move(key);
  item.value = std::move(value);
  item.end = item.value.bytes.size();
  return item;
}

std::optional<GgufFile> without_mtp_suffix(const GgufFile& file) {
  constexpr std::string_view kSuffix = "_mtp";
  const auto own = file.architecture();
  if (!own.ends_with(kSuffix) || find_architecture(own).support != MtpSupport::kUnknown) {
    return std::nullopt;
  }
  const std::string architecture(own.substr(0, own.size() - kSuffix.size()));
  if (find_architecture(architecture).support == MtpSupport::kUnknown) {
    return std::nullopt;
  }
  const auto prefix = std::string(own).append(".");
  auto renamed = file;
  for (auto& item : renamed.keys) {
    if (item.key == "general.architecture") {
      item = made_key(item.key, string_value(architecture));
    } else if (item.key.starts_with(prefix)) {
      auto key = fmt::format("{}.{}", architecture, item.key.substr(prefix.size()));
      if (file.find_key(key) == nullptr) {
        item.key = std::move(key);
      }
    }
  }
  return renamed;
}

void declare_head(std::uint64_t first_block, std::uint64_t block_count, GgufFile& file) {
  const auto depth = read_depth(file);
  if (!depth.block_count || depth.nextn_predict_layers.value_or(0) > 0) {
    return;
  }
  const auto put = [&](std::string_view key, std::uint64_t value) {
    auto item = made_key(fmt::format("{}.{}", file.architecture(), key), u32_value(static_cast<std::uint32_t>(value)));
    const auto found = std::ranges::find(file.keys, item.key, &KeyValue::key);
    if (found != file.keys.end()) {
      *found = std::move(item);
    } else {
      file.keys.push_back(std::move(item));
    }
  };
  put("block_count", first_block + block_count);
  put("nextn_predict_layers", block_count);
}

}  // namespace mtpgraft
