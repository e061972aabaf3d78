// The ways in which checkpoints store quantised matrices: how each is known by its tensors, and which can be read. The
// table is printed in docs/architectures.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

// How a value is made of the bits that are stored for it.
enum class Encoding : std::uint8_t {
  kPlain,   // it is stored
  kFp8,     // E4M3 or E5M2, times a scale
  kInt8,    // signed, times a scale
  kNvfp4,   // E2M1, times a scale, times a factor of the whole matrix
  kAffine,  // a whole number of 2 to 8 bits, times a scale, plus a bias
};

// A form is what a tensor is called in place of "weight": "weight_scale" of "mtp.fc.weight_scale".
struct QuantisationScheme {
  std::string_view name;  // for people
  Encoding encoding = Encoding::kPlain;
  bool is_read = false;
  std::string_view values = "weight";              // the form of the values
  std::array<std::string_view, 2> dtypes{};        // of the values, any of these; none: whatever it is
  std::array<std::string_view, 4> scales{};        // forms, of which one must be there; none: no scales are asked for
  std::array<std::string_view, 4> scale_dtypes{};  // any of these; none: whatever it is
  std::array<std::string_view, 2> also{};          // forms, all of which must be there
  std::array<std::string_view, 5> methods{};       // what config.json calls it, or the program that writes it
  std::string_view rule{};                         // what a value is, for the table
};

// The first that fits counts.
std::span<const QuantisationScheme> quantisation_schemes();

// Every form but "weight" that a scheme, read or not, has.
const std::vector<std::string_view>& quantised_forms();

// Whether it is the name of what nobody multiplies a matrix with, as the scales of activations.
bool is_unused(std::string_view name);

// "mtp.fc.weight_scale" for the form "weight_scale" of "mtp.fc.weight", and "experts.up_proj_scale" of what has no
// ".weight".
std::string name_of_form(std::string_view weight, std::string_view form);

// The matrices and vectors among `names`, which are in order: without the tensors that belong to one of them, and with
// "X.weight" for what is stored in another form.
std::vector<std::string> find_weights(std::span<const std::string_view> names);

}  // namespace mtpgraft
