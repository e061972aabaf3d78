// Two GGUFs, what can be planned with them, and what the plans write. Before them stand two bytes of options, behind
// them may stand changes of keys, one a line.
#include <array>
#include <sstream>

#include "donor/dialect.h"
#include "fuzz.h"
#include "gguf/tensor_types.h"
#include "mtpgraft/convert.h"
#include "mtpgraft/header_digest.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::array kHeadTypes{tensor_type::kF32, tensor_type::kF16, tensor_type::kBF16, tensor_type::kQ8_0};

std::optional<OpenedModel> open(const std::string& path, Bytes bytes) {
  const auto file = std::make_shared<MemoryFile>(path, std::move(bytes));
  auto gguf = parse_gguf(*file);
  return gguf.ok() ? std::optional(OpenedModel{file, std::move(gguf).value()}) : std::nullopt;
}

std::optional<OpenedModel> convert(const OpenedModel& donor, std::uint32_t type) {
  const auto converted = convert_head(donor.file, donor.gguf, {type, {}});
  if (!converted.ok()) {
    require_sound(converted.error());
    return std::nullopt;
  }
  auto gguf = parse_gguf(*converted.value().file);
  require(gguf.ok(), gguf.ok() ? "" : "a converted donor is a GGUF: " + gguf.error().message);
  return OpenedModel{converted.value().file, std::move(gguf).value()};
}

// As open_donor() does.
OpenedModel translate(OpenedModel donor) {
  const auto translation = find_translation(donor.gguf);
  require(translation.tensors.empty() || translation.problems.empty(), "what cannot be translated is left alone");
  if (translation.tensors.empty()) {
    return donor;
  }
  auto renamed = rename_tensors(donor.file, donor.gguf, translation);
  if (!renamed.ok()) {
    return donor;
  }
  auto file = std::move(renamed).value();
  auto gguf = parse_gguf(*file);
  require(gguf.ok(), gguf.ok() ? "" : "a translated donor is a GGUF: " + gguf.error().message);
  require(gguf.value().tensors.size() == translation.tensors.size(), "a translated donor has its tensors");
  return {std::move(file), std::move(gguf).value()};
}

std::vector<KeyEdit> parse_edits(const std::string& text) {
  std::vector<KeyEdit> edits;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find('=') == std::string::npos) {
      edits.push_back({line, std::nullopt});
    } else if (auto edit = parse_key_edit(line); edit.ok()) {
      edits.push_back(std::move(edit).value());
    }
  }
  return edits;
}

void check_files(std::uint8_t flags, std::uint8_t head_type, std::vector<Bytes> files) {
  files.resize(3);
  if ((flags & 4U) != 0) {
    files[0] = fill_up(std::move(files[0]));
    files[1] = fill_up(std::move(files[1]));
  }
  const auto target = open("target.gguf", std::move(files[0]));
  auto donor = open("donor.gguf", std::move(files[1]));
  if (target) {
    check_strip(*target);
  }
  if (donor) {
    donor = translate(std::move(*donor));
    check_extract(*donor, nullptr);
  }
  if (!target || !donor) {
    return;
  }
  check_extract(*donor, &*target);
  if (head_type < kHeadTypes.size()) {
    donor = convert(*donor, kHeadTypes[head_type]);
    if (!donor) {
      return;
    }
  }
  GraftOptions options{.replace = (flags & 1U) != 0, .labels = std::nullopt};
  if ((flags & 2U) != 0) {
    options.labels = RecordLabels{"fuzz", target->file->path(), donor->file->path()};
    options.target_header = read_target_header(*target->file, target->gguf).value();
  }
  options.split = (flags & 8U) != 0 ? Split::kHead : Split::kAsTarget;
  if ((flags & 16U) != 0) {
    if (auto yarn = make_yarn_edits(target->gguf, 4); yarn.ok()) {
      options.edits = std::move(yarn).value();
    }
  }
  for (auto& edit : parse_edits(to_text(files[2]))) {
    options.edits.push_back(std::move(edit));
  }
  check_graft(*target, *donor, options);
}

}  // namespace
}  // namespace mtpgraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 2) {
    mtpgraft::fuzz::check_files(data[0], data[1], mtpgraft::fuzz::cut_input(data + 2, size - 2));
  }
  return 0;
}
