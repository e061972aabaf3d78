// Values of keys, made by hand.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "gguf/serialize.h"

namespace mtpgraft {

template <class T>
GgufValue scalar_of(ValueType type, T element) {
  GgufValue value{type, type, 1, {}};
  append_value(value.bytes, element);
  return value;
}

template <class T>
GgufValue array_of(ValueType type, const std::vector<T>& elements) {
  GgufValue value{ValueType::kArray, type, elements.size(), {}};
  for (const T element : elements) {
    append_value(value.bytes, element);
  }
  return value;
}

template <class T>
GgufValue array_of(ValueType type, std::initializer_list<T> elements) {
  return array_of(type, std::vector<T>(elements));
}

inline GgufValue strings_of(std::initializer_list<std::string_view> texts) {
  GgufValue value{ValueType::kArray, ValueType::kString, texts.size(), {}};
  for (const auto text : texts) {
    append_string(value.bytes, text);
  }
  return value;
}

}  // namespace mtpgraft
