#include "donor/quantisation_schemes.h"

#include <algorithm>
#include <functional>
#include <set>

namespace mtpgraft {
namespace {

using enum Encoding;
using Scheme = QuantisationScheme;

#define FLOATS "F32", "BF16", "F16"

// More of the same kind: an exact signature goes before one that takes what is left.
constexpr auto kSchemes = std::to_array<Scheme>({
    {.name = "FP8",
     .encoding = kFp8,
     .is_read = true,
     .dtypes = {"F8_E4M3", "F8_E5M2"},
     .scales = {"weight_scale_inv", "weight_scale", "qscale_weight", "scale"},
     .scale_dtypes = {FLOATS, "F8_E8M0"},
     .methods = {"fp8", "compressed-tensors", "modelopt", "fbgemm", "quark"},
     .rule = "value x scale; one scale a tensor, a row or a block"},
    {.name = "NVFP4 (ModelOpt)",
     .encoding = kNvfp4,
     .is_read = true,
     .dtypes = {"U8"},
     .scales = {"weight_scale"},
     .scale_dtypes = {"F8_E4M3"},
     .also = {"weight_scale_2"},
     .methods = {"modelopt", "nvfp4"},
     .rule = "value x scale of 16 values x factor of the matrix"},
    {.name = "NVFP4 (compressed-tensors)",
     .encoding = kNvfp4,
     .is_read = true,
     .values = "weight_packed",
     .dtypes = {"U8"},
     .scales = {"weight_scale"},
     .scale_dtypes = {"F8_E4M3"},
     .also = {"weight_global_scale"},
     .methods = {"compressed-tensors"},
     .rule = "value x scale of 16 values x (1 / factor of the matrix)"},
    {.name = "MLX affine",
     .encoding = kAffine,
     .is_read = true,
     .dtypes = {"U32"},
     .scales = {"scales"},
     .scale_dtypes = {FLOATS},
     .also = {"biases"},
     .methods = {"mlx"},
     .rule = "value x scale + bias of the group; 2, 3, 4, 5, 6 or 8 bits"},
    {.name = "INT8 with zero points",
     .dtypes = {"I8"},
     .scales = {"weight_scale"},
     .also = {"weight_zero_point"},
     .methods = {"compressed-tensors"}},
    {.name = "INT8",
     .encoding = kInt8,
     .is_read = true,
     .dtypes = {"I8"},
     .scales = {"weight_scale"},
     .scale_dtypes = {FLOATS},
     .methods = {"compressed-tensors", "modelopt", "quark"},
     .rule = "value x scale; one scale a tensor, a row or a block"},
    {.name = "MXFP8",
     .dtypes = {"F8_E4M3", "F8_E5M2"},
     .scales = {"weight_scale_inv", "weight_scale", "scale"},
     .scale_dtypes = {"U8"},
     .methods = {"modelopt", "mxfp8", "quark", "compressed-tensors"}},
    {.name = "MLX mxfp4, mxfp8 or nvfp4",
     .dtypes = {"U32"},
     .scales = {"scales"},
     .scale_dtypes = {"U8"},
     .methods = {"mlx"}},
    {.name = "MXFP4 (compressed-tensors)",
     .values = "weight_packed",
     .dtypes = {"U8"},
     .scales = {"weight_scale"},
     .scale_dtypes = {"U8", "F8_E8M0"},
     .methods = {"compressed-tensors"}},
    {.name = "MXFP4",
     .dtypes = {"U8"},
     .scales = {"weight_scale", "weight_scale_inv", "scale"},
     .scale_dtypes = {"U8", "F8_E8M0"},
     .methods = {"mxfp4", "quark", "fp8", "modelopt"}},
    {.name = "MXFP4", .values = "weight_blocks", .scales = {"weight_scales"}, .methods = {"mxfp4"}},
    {.name = "DeepSeek's FP4 (MXFP4)",
     .dtypes = {"I8", "F4"},
     .scales = {"scale", "weight_scale", "weight_scale_inv"},
     .scale_dtypes = {"F8_E8M0", "U8", "F32"},
     .methods = {"fp8", "fp4"}},
    {.name = "INT4, packed (compressed-tensors)",
     .values = "weight_packed",
     .dtypes = {"I32"},
     .methods = {"compressed-tensors"}},
    {.name = "compressed-tensors, packed", .values = "weight_packed", .methods = {"compressed-tensors"}},
    {.name = "bitsandbytes, 4 bit", .scales = {"weight.absmax"}, .methods = {"bitsandbytes"}},
    {.name = "bitsandbytes, 8 bit", .dtypes = {"I8"}, .scales = {"SCB"}, .methods = {"bitsandbytes"}},
    {.name = "EETQ", .dtypes = {"I8", "U8"}, .scales = {"weight_scales"}, .methods = {"eetq"}},
    {.name = "GPTQ", .values = "qweight", .scales = {"g_idx"}, .methods = {"gptq", "gptqmodel", "auto-round"}},
    {.name = "AWQ, or GPTQ without g_idx",
     .values = "qweight",
     .scales = {"qzeros"},
     .methods = {"awq", "gptq", "gptqmodel", "auto-round", "intel/auto-round"}},
    {.name = "FP-Quant", .values = "qweight", .dtypes = {"U8"}, .methods = {"fp_quant"}},
    {.name = "integers, packed", .values = "qweight"},
    {.name = "HQQ", .values = "W_q", .methods = {"hqq"}},
    {.name = "AQLM", .values = "codes", .scales = {"codebooks"}, .methods = {"aqlm"}},
    {.name = "QuIP#", .values = "Qidxs", .methods = {"quip"}},
    {.name = "EXL3", .values = "trellis", .methods = {"exl3"}},
    {.name = "EXL2", .values = "q_weight", .methods = {"exl2"}},
    {.name = "VPTQ", .values = "indices", .scales = {"centroids.weight"}, .methods = {"vptq"}},
    {.name = "SpQR", .values = "dense_weights", .methods = {"spqr"}},
    {.name = "HIGGS", .dtypes = {"U8", "I16"}, .scales = {"tables"}, .methods = {"higgs"}},
    {.name = "BitNet", .dtypes = {"U8"}, .scales = {"weight_scale"}, .scale_dtypes = {FLOATS}, .methods = {"bitnet"}},
    {.name = "quanto", .values = "weight._data", .methods = {"quanto"}},
    {.name = "torchao", .values = "weight_qdata", .methods = {"torchao"}},
    {.name = "torchao", .values = "weight:_data", .methods = {"torchao"}},
});

#undef FLOATS

// Of tensors whose values are found otherwise: for activations, for the cache of keys and values, or of a scheme that
// is refused by its values.
constexpr auto kOtherForms = std::to_array<std::string_view>({
    "activation_scale",
    "input_scale",
    "input_global_scale",
    "input_scale_ub",
    "input_zero_point",
    "qscale_act",
    "output_scale",
    "k_scale",
    "v_scale",
    "q_scale",
    "prob_scale",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "weight_format",
    "weight.quant_map",
    "weight.nested_absmax",
    "weight.nested_quant_map",
    "weight.quant_state.bitsandbytes__nf4",
    "weight.quant_state.bitsandbytes__fp4",
    "weight._scale",
    "weight._shift",
    "qzeros",
    "scales",
    "g_idx",
    "SU",
    "SV",
    "suh",
    "svh",
    "zero",
    "scale_2",
});

// What nobody multiplies a matrix with, whether the matrix is there or not.
constexpr auto kUnusedEndings = std::to_array<std::string_view>(
    {".activation_scale", "_activation_scale", ".input_scale", "_input_scale", ".input_global_scale", ".qscale_act",
     ".k_scale", ".v_scale", ".q_scale", ".prob_scale"});

constexpr std::string_view kWeight = "weight";

bool holds_values(std::string_view form) {
  return std::ranges::any_of(kSchemes, [&](const Scheme& scheme) { return scheme.values == form; });
}

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::binary_search(names, name);
}

// The weight that `name` is the form of, if the checkpoint has it; else empty.
std::string weight_of(std::span<const std::string_view> names, std::string_view name, std::string_view form) {
  const auto ends_with_part = [&](std::string_view ending, char before) {
    return name.size() > ending.size() + 1 && name.ends_with(ending) && name[name.size() - ending.size() - 1] == before;
  };
  const auto is_there = [&](const std::string& weight) {
    return contains(names, weight) || std::ranges::any_of(kSchemes, [&](const Scheme& scheme) {
             return scheme.values != kWeight && contains(names, name_of_form(weight, scheme.values));
           });
  };
  if (ends_with_part(form, '.')) {
    auto weight = std::string(name.substr(0, name.size() - form.size())) + std::string(kWeight);
    if (is_there(weight)) {
      return weight;
    }
    weight = name.substr(0, name.size() - form.size() - 1);
    return contains(names, weight) ? weight : "";
  }
  if (form.starts_with(kWeight)) {
    const auto ending = form.substr(kWeight.size());
    if (name.size() > ending.size() && name.ends_with(ending)) {
      auto weight = std::string(name.substr(0, name.size() - ending.size()));
      return !weight.ends_with('.') && is_there(weight) ? weight : "";
    }
  }
  return {};
}

}  // namespace

std::span<const QuantisationScheme> quantisation_schemes() { return kSchemes; }

// The longest first, so that "weight_scale_2" is not taken for another's.
const std::vector<std::string_view>& quantised_forms() {
  static const auto forms = [] {
    std::set<std::string_view> known(kOtherForms.begin(), kOtherForms.end());
    for (const auto& scheme : kSchemes) {
      known.insert(scheme.values);
      known.insert(scheme.scales.begin(), scheme.scales.end());
      known.insert(scheme.also.begin(), scheme.also.end());
    }
    known.erase("");
    known.erase(kWeight);
    std::vector<std::string_view> ordered(known.begin(), known.end());
    std::ranges::stable_sort(ordered, std::greater(), &std::string_view::size);
    return ordered;
  }();
  return forms;
}

bool is_unused(std::string_view name) {
  return std::ranges::any_of(kUnusedEndings, [&](std::string_view ending) { return name.ends_with(ending); });
}

std::string name_of_form(std::string_view weight, std::string_view form) {
  if (weight.ends_with(".weight")) {
    weight.remove_suffix(kWeight.size());
    return std::string(weight) + std::string(form);
  }
  return form.starts_with(kWeight) ? std::string(weight) + std::string(form.substr(kWeight.size()))
                                   : std::string(weight) + "." + std::string(form);
}

std::vector<std::string> find_weights(std::span<const std::string_view> names) {
  std::vector<std::string> weights;
  for (const auto& name : names) {
    if (is_unused(name)) {
      continue;
    }
    std::string weight;
    std::string_view found;
    for (const auto form : quantised_forms()) {
      weight = weight_of(names, name, form);
      if (!weight.empty()) {
        found = form;
        break;
      }
    }
    if (weight.empty()) {
      weights.emplace_back(name);
    } else if (holds_values(found) && !contains(names, weight)) {
      weights.push_back(weight);
    }
  }
  std::sort(weights.begin(), weights.end());
  weights.erase(std::unique(weights.begin(), weights.end()), weights.end());  // there can be two forms of one
  return weights;
}

}  // namespace mtpgraft
