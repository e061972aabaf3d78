// The models that tests work with, and grafts of them in memory.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "memory_file_system.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

inline Bytes read_bytes(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Bytes bytes(std::filesystem::file_size(path));
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!stream) {
    throw std::runtime_error("cannot read " + path.string());
  }
  return bytes;
}

// Of a bundled model, a fixture, or ("golden/x") a golden file, without ".gguf".
inline std::filesystem::path model_path(std::string_view name) {
  const std::string file_name = std::string(name) + ".gguf";
  if (name.starts_with("golden/")) {
    return std::filesystem::path(GOLDEN_DIR).parent_path() / file_name;
  }
  const auto bundled = std::filesystem::path(MODELS_DIR) / file_name;
  return std::filesystem::exists(bundled) ? bundled : std::filesystem::path(FIXTURES_DIR) / file_name;
}

inline constexpr std::string_view kTarget = "target-12L-Q4_K_M";
inline constexpr std::string_view kDonor = "mtp-base-8L-BF16";

// A file in memory and its parse. `gguf` may be edited to plan what would happen with other keys and shapes: planning
// reads nothing else.
struct Model {
  std::unique_ptr<MemoryFile> file;
  GgufFile gguf;

  [[nodiscard]] const Bytes& bytes() const { return file->bytes(); }
};

inline Model parse_model(const std::string& path, Bytes bytes) {
  auto file = std::make_unique<MemoryFile>(path, std::move(bytes));
  auto gguf = parse_gguf(*file);
  if (!gguf.ok()) {
    throw std::runtime_error(path + ": " + gguf.error().message);
  }
  return {std::move(file), std::move(gguf).value()};
}

inline Model load_model(std::string_view name) {
  return parse_model(std::string(name) + ".gguf", read_bytes(model_path(name)));
}

// Does not own it.
inline std::shared_ptr<const ReadableFile> share(const ReadableFile& file) { return {std::shared_ptr<void>(), &file}; }

inline OpenedModel opened(const Model& model) { return {share(*model.file), model.gguf}; }

inline HeadData head_data_of(const Model& donor) {
  auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going);
  if (!data.ok()) {
    throw std::runtime_error(donor.gguf.path + ": " + data.error().message);
  }
  return std::move(data).value();
}

// As the program asks for them: with a record.
inline GraftOptions graft_options(const Model& target, const Model& donor, bool replace = false) {
  return {.replace = replace,
          .labels = RecordLabels{"mtpgraft 0.1.0", target.file->path(), donor.file->path()},
          .target_header = read_target_header(*target.file, target.gguf).value()};
}

inline GraftOptions without_record(bool replace = false) { return {.replace = replace, .labels = std::nullopt}; }

inline Result<Plan> try_plan(const Model& target, const Model& donor, const GraftOptions& options) {
  return make_graft_plan(target.gguf, donor.gguf, head_data_of(donor), options);
}

inline Result<Plan> try_plan(const Model& target, const Model& donor) {
  return try_plan(target, donor, graft_options(target, donor));
}

inline Plan make_plan(const Model& target, const Model& donor, const GraftOptions& options) {
  auto plan = try_plan(target, donor, options);
  if (!plan.ok()) {
    auto message = plan.error().message;
    for (const auto& detail : plan.error().details) {
      message += "; " + detail;
    }
    throw std::runtime_error(message);
  }
  return std::move(plan).value();
}

inline Plan make_plan(const Model& target, const Model& donor) {
  return make_plan(target, donor, graft_options(target, donor));
}

// Of an output that is one file.
template <class... Options>
FilePlan make_file_plan(const Model& target, const Model& donor, const Options&... options) {
  return make_plan(target, donor, options...).files.front();
}

// What the segments spell, without the program's executor.
inline Bytes spell(const FilePlan& plan, const Model& target, const Model& donor) {
  Bytes bytes;
  bytes.reserve(plan.output_size);
  for (const auto& segment : plan.segments) {
    if (const auto* literal = std::get_if<Literal>(&segment)) {
      bytes.insert(bytes.end(), literal->bytes.begin(), literal->bytes.end());
    } else if (const auto* copy = std::get_if<Copy>(&segment)) {
      const auto& source = copy->source == Source::kTarget ? target.bytes() : donor.bytes();
      const auto from = source.begin() + static_cast<std::ptrdiff_t>(copy->offset);
      bytes.insert(bytes.end(), from, from + static_cast<std::ptrdiff_t>(copy->length));
    } else {
      bytes.resize(bytes.size() + std::get<Zero>(segment).length);
    }
  }
  return bytes;
}

inline Bytes spell(const Plan& plan, const Model& target, const Model& donor) {
  return spell(plan.files.front(), target, donor);
}

inline Model graft_model(const Model& target, const Model& donor, const GraftOptions& options) {
  return parse_model("graft.gguf", spell(make_plan(target, donor, options), target, donor));
}

inline Model graft_model(const Model& target, const Model& donor) {
  return graft_model(target, donor, graft_options(target, donor));
}

}  // namespace mtpgraft
