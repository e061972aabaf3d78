#include "fuzz.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "model/warnings.h"
#include "mtpgraft/execute.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/summary.h"
#include "mtpgraft/verify.h"
#include "plan/record.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::size_t kFilledBytesMax = std::size_t{256} << 10;

// Where a graft has no record of its own.
const RecordLabels kLabels{"fuzz", "target.gguf", "donor.gguf"};

std::span<const std::byte> tensor_data(const Bytes& bytes, const TensorInfo& tensor) {
  return std::span(bytes).subspan(tensor.offset, tensor.size_bytes);
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// Whether the head is the only thing that a graft changes: strip promises to give such a target back.
bool is_plain_target(const OpenedModel& target, const Bytes& bytes) {
  const auto& gguf = target.gguf;
  const auto head = find_head(gguf);
  return head.state == HeadState::kNone && gguf.find_key(kRecordKey) == nullptr && !gguf.is_split() &&
         gguf.data_end == gguf.size &&
         is_zero(std::span(bytes).subspan(gguf.infos_end, gguf.data_offset - gguf.infos_end));
}

void require_planned(const Plan& plan, const OpenedModel& target, const OpenedModel& donor, const OpenedModel& output) {
  const auto target_bytes = read_all(*target.file);
  const auto donor_bytes = read_all(*donor.file);
  const auto output_bytes = read_all(*output.file);
  require(output.gguf.tensors.size() == plan.tensor_count(), "the output has the planned number of tensors");
  for (const auto& planned : plan.head_tensors) {
    const auto* tensor = output.gguf.find_tensor(planned.name);
    require(tensor != nullptr && tensor->type == planned.info.type && tensor->shape == planned.info.shape &&
                tensor->size_bytes == planned.info.size_bytes,
            "the output has the planned head");
    if (planned.info.type == planned.donor_type) {
      const auto* from = donor.gguf.find_tensor(planned.donor_name);
      require(std::ranges::equal(tensor_data(output_bytes, *tensor), tensor_data(donor_bytes, *from)),
              "the head's data are the donor's");
    }
  }
  for (const auto& tensor : output.gguf.tensors) {
    if (std::ranges::find(plan.head_tensors, tensor.name, &HeadTensor::name) == plan.head_tensors.end()) {
      const auto* from = target.gguf.find_tensor(tensor.name);
      require(from != nullptr && from->type == tensor.type && from->shape == tensor.shape &&
                  std::ranges::equal(tensor_data(output_bytes, tensor), tensor_data(target_bytes, *from)),
              "the trunk's tensors are the target's");
    }
  }
}

OpenedModel require_model(const ModelFiles& files) {
  auto model = read_model(files);
  require(model.ok(), model.ok() ? "" : "the output is a GGUF: " + model.error().message);
  return std::move(model).value();
}

// Nothing is found but what is wrong with the values of the donor's head.
void require_verified(const Result<VerifyReport>& report, const HeadData& head_data, std::string_view promise) {
  require(report.ok(), report.ok() ? promise : report.error().message);
  const auto& findings = report.value().findings;
  require(findings.size() == head_data.flaws.size(), findings.empty() ? promise : findings.front().message);
  require_printable(report::describe_verification("out.gguf", report.value(), true));
  require_json(report::verification_to_json("out.gguf", report.value()));
}

// One changed byte, wherever it is, is noticed.
void check_damage(const ModelFiles& files, std::size_t index, std::uint64_t offset, const OpenedModel& target,
                  const OpenedModel& donor) {
  auto damaged = files;
  auto bytes = read_all(*files[index]);
  bytes[offset] ^= std::byte{0x10};
  damaged[index] = std::make_shared<MemoryFile>(files[index]->path(), std::move(bytes));
  const auto report = verify_graft(damaged, target, donor, kLabels, SharedExtents::kRead, keep_going);
  if (!report.ok()) {
    return require_sound(report.error());
  }
  require(!report.value().findings.empty(), "verify notices a changed byte");
  require_printable(report::describe_verification("out.gguf", report.value(), true));
  require_json(report::verification_to_json("out.gguf", report.value()));
}

// As it is before it is written.
Job planned_job(const Plan& plan, const OpenedModel& target, const OpenedModel* donor) {
  Job job;
  job.target = target.gguf;
  if (donor != nullptr) {
    job.donor.emplace().gguf = donor->gguf;
  }
  job.plan = plan;
  job.warnings = plan.warnings;
  return job;
}

void check_strip_of_graft(const OpenedModel& output, const OpenedModel& target, bool restores) {
  const auto plan = make_strip_plan(output.gguf, {});
  if (!plan.ok()) {
    require_sound(plan.error());
    require(!restores, "a graft can be stripped");
    return;
  }
  const auto files = write_plan(plan.value(), output, output);
  if (!files) {
    return;
  }
  const auto head = find_head(require_model(*files).gguf);
  require(!head.has_tensors(), "a stripped graft has no head");
  // An earlier record may tell of any original.
  require(head.state != HeadState::kPlaceholder || target.gguf.find_key(kRecordKey) != nullptr ||
              find_head(target.gguf).state == HeadState::kPlaceholder,
          "a stripped graft declares no head");
  if (restores) {
    const auto digest = digest_planned_header(plan.value().files.front(), *output.file);
    require(plan.value().original && digest.ok() && digest.value() == plan.value().original->header_digest,
            "strip knows that it restores the original");
    require(read_all(*files->front()) == read_all(*target.file), "strip gives the original back");
  }
}

}  // namespace

void require(bool holds, std::string_view promise) {
  if (!holds) {
    fmt::print(stderr, "broken promise: {}\n", promise);
    std::abort();
  }
}

void require_printable(std::string_view text) {
  const auto is_control = [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7F; };
  require(std::ranges::none_of(text, is_control), "text has no control characters");
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const auto next = static_cast<unsigned char>(text[i + 1]);
    require(text[i] != '\xC2' || next < 0x80 || next > 0x9F, "text has no control characters of Latin-1");
  }
}

void require_json(std::string_view text) {
  require(nlohmann::json::accept(text) && text.starts_with('{'), "JSON is one object");
}

void require_sound(const Error& error) {
  require(!error.message.empty(), "an error has a message");
  require_printable(report::describe_error(error));
  require_json(report::error_to_json(error, "inspect"));
}

std::vector<Bytes> cut_input(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<Bytes> files;
  for (std::size_t from = 0; from <= input.size();) {
    const auto to = std::min(input.find(kBetweenFiles, from), input.size());
    const auto part = std::as_bytes(std::span(input.substr(from, to - from)));
    files.emplace_back(part.begin(), part.end());
    from = to + kBetweenFiles.size();
  }
  return files;
}

std::string to_text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Bytes fill_up(Bytes gguf) {
  const auto size = gguf.size();
  gguf.resize(std::max(size, kFilledBytesMax));
  const MemoryFile file("", std::move(gguf));
  const auto parsed = parse_gguf(file);
  auto filled = file.bytes();
  filled.resize(std::max<std::size_t>(size, parsed.ok() ? parsed.value().data_end : 0));
  return filled;
}

Bytes read_all(const ReadableFile& file) {
  Bytes bytes(file.size());
  require(file.read_at(0, bytes).ok(), "a file in memory can be read");
  return bytes;
}

void require_tiles(const FilePlan& plan, const ReadableFile& target, const ReadableFile& donor) {
  std::uint64_t size = 0;
  for (const auto& segment : plan.segments) {
    const auto length = segment_length(segment);
    if (const auto* copy = std::get_if<Copy>(&segment)) {
      require(range_fits(copy->offset, length, (copy->source == Source::kTarget ? target : donor).size()),
              "a copy is inside its source");
    }
    const auto end = checked_add(size, length);
    require(end && length > 0, "segments tile the output");
    size = *end;
  }
  require(size == plan.output_size, "segments tile the output");
  std::uint64_t at = 0;
  for (const auto& region : plan.regions) {
    require(region.offset == at, "regions tile the output");
    at += region.length;
  }
  require(at == plan.output_size, "regions tile the output");
}

std::optional<ModelFiles> write_plan(const Plan& plan, const OpenedModel& target, const OpenedModel& donor,
                                     std::uint64_t bytes_max) {
  for (const auto& file : plan.files) {
    require_tiles(file, *target.file, *donor.file);
  }
  if (plan.output_size() > bytes_max) {
    return std::nullopt;
  }
  MemoryFileSystem files;
  ModelFiles outputs;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const auto path = plan.files.size() == 1 ? "out.gguf" : format_shard_name({"out", i + 1, plan.files.size()});
    auto staged = files.stage(path, plan.files[i].output_size);
    ChecksumCollector collector(plan.files[i]);
    const ExecuteOptions options{CopyMethod::kAuto, [&](auto bytes) { collector.observe(bytes); }};
    require(execute_plan(plan.files[i], *target.file, *donor.file, *staged.value(), options, keep_going).ok(),
            "a plan can be executed");
    require(staged.value()->commit(Overwrite::kNo, Durability::kNoSync).ok(), "an output can be committed");
    outputs.emplace_back(files.open(path).value());
    const auto gguf = parse_gguf(*outputs.back());
    require(gguf.ok(), gguf.ok() ? "" : "each output is a GGUF: " + gguf.error().message);
    const auto checksums = compute_checksums(*outputs.back(), gguf.value(), DigestAlgorithm::kXxh128, keep_going);
    require(checksums.ok() && format_checksums(checksums.value()) == format_checksums(collector.finish()),
            "checksums taken while writing are those of the file");
    const auto results = check_listed(*outputs.back(), gguf.value(), checksums.value(), keep_going);
    require(results.ok() && std::ranges::count(results.value(), CheckResult::kOk) == std::ssize(checksums.value()),
            "a file fits its own checksums");
    require_json(report::checksums_to_json("out.gguf", DigestAlgorithm::kXxh128, checksums.value()));
  }
  return outputs;
}

void check_graft(const OpenedModel& target, const OpenedModel& donor, const GraftOptions& options) {
  const auto head_data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going);
  if (!head_data.ok()) {
    return require_sound(head_data.error());
  }
  const auto made = make_graft_plan(target.gguf, donor.gguf, head_data.value(), options);
  if (!made.ok()) {
    return require_sound(made.error());
  }
  const auto& plan = made.value();
  const auto job = planned_job(plan, target, &donor);
  const GraftRequest request{.target = "target.gguf", .donor = {.path = "donor.gguf"}};
  require_printable(report::describe_graft(request, job, true));
  require_json(report::graft_to_json(request, job));
  const auto files = write_plan(plan, target, donor);
  if (!files) {
    return;
  }
  const auto output = require_model(*files);
  require_planned(plan, target, donor, output);
  const auto head = find_head(output.gguf);
  if (options.edits.empty()) {
    require(head.state == HeadState::kPresent && head.first_block == plan.first_head_block &&
                head.block_count == plan.head_block_count && head.bytes == plan.head_bytes,
            "the output has a head where it was planned");
  }
  if (options.edits.empty() || options.labels) {
    require_verified(verify_graft(*files, target, donor, kLabels, SharedExtents::kRead, keep_going), head_data.value(),
                     "verify accepts what graft wrote");
    require_verified(verify_tensors(*files, target, donor, keep_going), head_data.value(),
                     "verify accepts the tensors of what graft wrote");
    const auto last = files->size() - 1;
    check_damage(*files, 0, plan.files.front().data_offset / 2, target, donor);
    check_damage(*files, last, (*files)[last]->size() - 1, target, donor);
  }
  // Of types that no loader reads, graft warns.
  if (options.edits.empty() && find_unread_tensor(output.gguf) == nullptr) {
    require_verified(verify_alone(output, keep_going), head_data.value(), "verify accepts a graft alone");
  }
  check_strip_of_graft(output, target, options.labels && is_plain_target(target, read_all(*target.file)));
}

void check_extract(const OpenedModel& donor, const OpenedModel* target) {
  const auto head_data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going);
  if (!head_data.ok()) {
    return require_sound(head_data.error());
  }
  const auto& other = target != nullptr ? *target : donor;
  for (const auto form : {ExtractForm::kSidecar, ExtractForm::kTensorsOnly}) {
    const auto plan =
        make_extract_plan(donor.gguf, head_data.value(), target != nullptr ? &target->gguf : nullptr, form);
    if (!plan.ok()) {
      require_sound(plan.error());
      continue;
    }
    const auto job = planned_job(plan.value(), other, &donor);
    const ExtractRequest request{.donor = {.path = "donor.gguf"}, .output = {.path = "head.gguf"}, .form = form};
    require_printable(report::describe_extract(request, job, true));
    require_json(report::extract_to_json(request, job));
    if (const auto files = write_plan(plan.value(), other, donor)) {
      const auto output = require_model(*files);
      require_planned(plan.value(), other, donor, output);
      require(find_head(output.gguf).tensors.size() == plan.value().head_tensors.size(), "an extract is a head");
    }
  }
}

void check_strip(const OpenedModel& model) {
  for (const bool keep_size : {false, true}) {
    const auto plan = make_strip_plan(model.gguf, {keep_size});
    if (!plan.ok()) {
      require_sound(plan.error());
      continue;
    }
    const auto job = planned_job(plan.value(), model, nullptr);
    const StripRequest request{.file = "model.gguf", .output = {.path = "trunk.gguf"}};
    require_printable(report::describe_strip(request, job, true));
    require_json(report::strip_to_json(request, job));
    if (const auto files = write_plan(plan.value(), model, model)) {
      require_model(*files);
    }
  }
}

}  // namespace mtpgraft::fuzz
