// What the fuzz targets share: inputs cut into files, and what every plan must keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory_file_system.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace mtpgraft::fuzz {

// Ends the program, as a fuzzer wants it, if a promise is broken.
void require(bool holds, std::string_view promise);

// An error is there to be shown: it has a message, and neither form of it passes on what a file has in its names.
void require_sound(const Error& error);

// Text for people: lines without control characters.
void require_printable(std::string_view text);

// JSON for programs: one object.
void require_json(std::string_view text);

// The input's files, which stand one after the other with this between them.
inline constexpr std::string_view kBetweenFiles = "\n%%\n";
std::vector<Bytes> cut_input(const std::uint8_t* data, std::size_t size);

std::string to_text(const Bytes& bytes);

// A GGUF with zeros for the tensor data that it has not, so that inputs can be small and shapes can grow.
Bytes fill_up(Bytes gguf);

Bytes read_all(const ReadableFile& file);

// Segments and regions cover the output without gap or overlap, and copies stay inside their sources.
void require_tiles(const FilePlan& plan, const ReadableFile& target, const ReadableFile& donor);

inline constexpr std::uint64_t kOutputBytesMax = std::uint64_t{1} << 20;

// Checks every file of the plan and writes those that are not kept. Nothing if the output would be larger.
std::optional<ModelFiles> write_plan(const Plan& plan, const OpenedModel& target, const OpenedModel& donor,
                                     std::uint64_t bytes_max = kOutputBytesMax);

// Grafts, and checks that the output is what was planned, that verify accepts it, and what strip makes of it.
void check_graft(const OpenedModel& target, const OpenedModel& donor, const GraftOptions& options);
void check_extract(const OpenedModel& donor, const OpenedModel* target);
void check_strip(const OpenedModel& model);

}  // namespace mtpgraft::fuzz
