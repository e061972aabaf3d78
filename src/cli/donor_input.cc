#include "cli/donor_input.h"

#include <fmt/core.h>

#include <filesystem>

#include "mtpgraft/convert.h"
#include "mtpgraft/donor.h"

namespace mtpgraft::cli {
namespace {

Status check_norm_offset(const DonorOptions& options, const FileSource& files) {
  if (options.norm_offset && !is_checkpoint(options.path, files)) {
    return Error{ErrorCode::kUsage, "--norm-offset is for safetensors: norms of a GGUF are taken as they are"};
  }
  return ok_status();
}

Status convert(const DonorOptions& options, DonorInput& donor) {
  const auto type = tensor_type_id(options.head_type);
  if (!type) {
    return Error{ErrorCode::kUsage,
                 fmt::format("--head-type {}: there is no such tensor type", options.head_type),
                 {},
                 {},
                 "f32, f16, bf16, q8_0; with ggml also q6_k, q5_k, q4_k and others (q4_k_m is a mixture of types)"};
  }
  MTPGRAFT_TRY(auto converted, convert_head(donor.file, donor.gguf, {*type, options.ggml_path}));
  donor.file = std::move(converted.file);
  donor.warnings = std::move(converted.warnings);
  donor.labels.head_type = tensor_type_name(*type);
  donor.labels.ggml_version = converted.ggml_version;
  donor.notes.push_back(converted.ggml_version.empty()
                            ? fmt::format("matrices converted to {}", donor.labels.head_type)
                            : fmt::format("matrices converted to {} by ggml {}, {}", donor.labels.head_type,
                                          converted.ggml_version, converted.ggml_path));
  MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  return ok_status();
}

}  // namespace

Result<DonorInput> open_donor(const DonorOptions& options, std::string_view architecture, FileSystem& files) {
  MTPGRAFT_CHECK(check_norm_offset(options, files));
  DonorInput donor;
  if (is_checkpoint(options.path, files)) {
    MTPGRAFT_TRY(auto head, open_checkpoint(options.path, {std::string(architecture), options.norm_offset}, files));
    donor.file = std::move(head.file);
    donor.notes = std::move(head.notes);
    MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  } else {
    MTPGRAFT_TRY(auto model, open_donor_model(files, options.path));
    donor.file = std::move(model.file);
    donor.gguf = std::move(model.gguf);
  }
  donor.labels.tool = "mtpgraft " MTPGRAFT_VERSION;
  donor.labels.donor_file = base_name(options.path);
  donor.labels.norm_offset = options.norm_offset;
  if (!options.head_type.empty()) {
    MTPGRAFT_CHECK(convert(options, donor));
  }
  return donor;
}

std::string base_name(const std::string& path) {
  std::error_code ignored;
  const auto full = std::filesystem::absolute(path, ignored).lexically_normal();
  return full.has_filename() ? full.filename().string() : full.parent_path().filename().string();
}

}  // namespace mtpgraft::cli
