// Values of keys as JSON: in the record, and as users give them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "mtpgraft/gguf.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

using Json = nlohmann::ordered_json;

// Whether a file can have the value: its types are known, and its bytes are those of as many elements as it declares.
bool is_sound(const GgufValue& value);

// {"type": "u32", "value": 12}, {"type": "bool[]", "value": [true]}; what JSON cannot hold exactly (strings that are
// not UTF-8, numbers that are not finite) has "hex" in the place of "value".
Json value_to_json(const GgufValue& value);

// Nothing if it is not what value_to_json() makes.
std::optional<GgufValue> value_from_json(const Json& json);

// `type` is "u32", "str", "f32[]", ...; fails with kUsage, `key` in the message.
Result<GgufValue> parse_value(std::string_view key, std::string_view type, const Json& json);

}  // namespace mtpgraft
