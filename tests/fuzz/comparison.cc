#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "differential.h"
#include "fuzz.h"
#include "gguf/size_by_others.h"
#include "gguf/tensor_types.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/verify.h"
#include "refusals.h"
#include "util/hash.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::uint32_t kU16 = 2;
constexpr std::uint32_t kI32 = 5;

// Of a type that ggml has, with as many bytes as it takes for it.
bool is_upstreams(const TensorInfo& tensor) { return is_upstream_tensor_type(tensor.type) && has_table_size(tensor); }

bool is_named_fork_type(std::uint32_t id) {
  const auto* type = find_tensor_type(id);
  return type != nullptr && (type->origin == TypeOrigin::kFork || type->origin == TypeOrigin::kClash);
}

Finding found(Column column, Fault fault) {
  return fault.empty() ? Finding{column} : Finding{Column::kFault, std::move(fault)};
}

Finding judge_refusal(const Error& error, const Verdict& verdict) {
  if (!verdict.is_known) {
    return {Column::kUnknown};
  }
  if (!verdict.accepts) {
    return {Column::kBothRefuse};
  }
  const auto is_reason = [&](const Refusal& refusal) {
    return error.message.find(refusal.message_part) != std::string::npos;
  };
  const auto* const refusal = std::ranges::find_if(kRefusals, is_reason);
  if (refusal == kRefusals.end()) {
    return {Column::kFault, "only ggml accepts it, for a reason that is not on the list: " + error.message};
  }
  return {Column::kOnlyGgml, std::string(refusal->what)};
}

// Strings as the judge gives them: up to the first NUL, with one behind each.
std::string joined_strings(const GgufValue& value) {
  std::string joined;
  const auto append = [&](std::string_view text) { joined += std::string(text.substr(0, text.find('\0'))) + '\0'; };
  if (value.is_array()) {
    std::ranges::for_each(value.strings(), append);
  } else {
    append(value.text().value());
  }
  return joined;
}

std::string judged_value(const GgufValue& value) {
  if (value.element_type == ValueType::kString) {
    return joined_strings(value);
  }
  std::string bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  if (value.element_type == ValueType::kBool) {
    std::ranges::transform(bytes, bytes.begin(), [](char byte) { return static_cast<char>(byte != 0); });
  }
  return bytes;
}

// Of all the value's bytes, of which a GgufFile may have the first ones only.
Fault compare_key(const Bytes& file, const KeyValue& item, const JudgedKey& theirs) {
  auto value = item.value;
  value.bytes.assign(file.begin() + static_cast<std::ptrdiff_t>(item.value_offset),
                     file.begin() + static_cast<std::ptrdiff_t>(item.end));
  const JudgedKey judged{item.key, static_cast<std::uint32_t>(value.type),
                         static_cast<std::uint32_t>(value.element_type), value.element_count, judged_value(value)};
  if (judged != theirs) {
    return fmt::format("ggml reads another value of key '{}'", item.key);
  }
  const auto& kept = item.value.bytes;
  const auto expected = std::min<std::uint64_t>(value.bytes.size(), KeyValue::kKeptValueBytes);
  return kept.size() == expected && std::ranges::equal(kept, std::span(value.bytes).first(kept.size())) &&
                 item.digest == digest_of(value.bytes)
             ? ""
             : fmt::format("key '{}' is kept otherwise than it is in the file", item.key);
}

Fault compare_contents(const Bytes& file, const GgufFile& ours, const Verdict& theirs) {
  if (ours.keys.size() != theirs.keys.size() || ours.tensors.size() != theirs.tensors.size()) {
    return "ggml reads another number of keys or tensors";
  }
  for (std::size_t i = 0; i < ours.keys.size(); ++i) {
    if (auto fault = compare_key(file, ours.keys[i], theirs.keys[i]); !fault.empty()) {
      return fault;
    }
  }
  for (std::size_t i = 0; i < ours.tensors.size(); ++i) {
    const auto& tensor = ours.tensors[i];
    const JudgedTensor judged{tensor.name, tensor.type, tensor.shape, tensor.offset, tensor.size_bytes};
    if (judged != theirs.tensors[i]) {
      return fmt::format("ggml reads tensor '{}' otherwise", tensor.name);
    }
  }
  return {};
}

// The file, or its twin, as ggml was asked.
Fault compare_judged(const Bytes& file, const Verdict& verdict) {
  const auto gguf = parse_gguf(MemoryFile("judged.gguf", file));
  return gguf.ok() ? compare_contents(file, gguf.value(), verdict)
                   : "with other types mtpgraft refuses it: " + gguf.error().message;
}

// A model that is read as one file has the keys of the first, and the tensors of all, each with its bytes.
Fault compare_model(const OpenedModel& model, const std::vector<Bytes>& files, const std::vector<Verdict>& verdicts) {
  const auto& keys = verdicts.front().keys;
  const auto is_same_key = [](const KeyValue& ours, const JudgedKey& theirs) { return ours.key == theirs.name; };
  if (!std::ranges::equal(model.gguf.keys, keys, is_same_key)) {
    return "the model has other keys than its first file";
  }
  const auto bytes = read_all(*model.file);
  auto ours = model.gguf.tensors.begin();
  for (std::size_t i = 0; i < files.size(); ++i) {
    for (const auto& theirs : verdicts[i].tensors) {
      if (ours == model.gguf.tensors.end() || ours->name != theirs.name || ours->size_bytes != theirs.size_bytes ||
          !std::ranges::equal(std::span(bytes).subspan(ours->offset, ours->size_bytes),
                              std::span(files[i]).subspan(theirs.offset, theirs.size_bytes))) {
        return fmt::format("the model has another tensor than '{}' of file {}", theirs.name, i + 1);
      }
      ++ours;
    }
  }
  return ours == model.gguf.tensors.end() ? "" : "the model has more tensors than its files";
}

}  // namespace

Fault find_split_fault(const std::vector<Verdict>& files) {
  const auto number = [](const Verdict& file, std::string_view name,
                         std::uint32_t type) -> std::optional<std::int64_t> {
    const auto found = std::ranges::find(file.keys, name, &JudgedKey::name);
    if (found == file.keys.end() || found->type != type) {
      return std::nullopt;
    }
    std::int32_t value = 0;
    std::memcpy(&value, found->value.data(), found->value.size());
    return value;
  };
  std::set<std::string> names;
  std::size_t tensor_count = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (number(files[i], kSplitNumberKey, kU16) != static_cast<std::int64_t>(i)) {
      return "split.no";
    }
    for (const auto& tensor : files[i].tensors) {
      names.insert(tensor.name);
      ++tensor_count;
    }
  }
  if (number(files.front(), kSplitCountKey, kU16) != static_cast<std::int64_t>(files.size())) {
    return "split.count";
  }
  if (number(files.front(), kSplitTensorsKey, kI32) != static_cast<std::int64_t>(tensor_count)) {
    return "split.tensors.count";
  }
  return names.size() == tensor_count ? "" : "a tensor in two files";
}

OpenedModel open_bytes(const std::string& path, Bytes bytes) {
  const auto file = std::make_shared<MemoryFile>(path, std::move(bytes));
  auto gguf = parse_gguf(*file);
  require(gguf.ok(), gguf.ok() ? "" : "a sound file is read: " + gguf.error().message);
  return {file, std::move(gguf).value()};
}

ModelFiles as_files(const std::string& prefix, const std::vector<Bytes>& files) {
  ModelFiles opened;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto path = files.size() == 1 ? prefix + ".gguf" : format_shard_name({prefix, i + 1, files.size()});
    opened.push_back(std::make_shared<MemoryFile>(path, files[i]));
  }
  return opened;
}

Twin make_twin(const Bytes& file, const GgufFile& gguf) {
  Twin twin{file};
  const auto put = [&](std::uint64_t at, auto value) { std::memcpy(twin.file.data() + at, &value, sizeof(value)); };
  for (const auto& tensor : gguf.tensors) {
    if (!is_upstreams(tensor)) {
      twin.types.insert(tensor.type);
      twin.has_scalars = twin.has_scalars || tensor.n_dims == 0;
      auto at = tensor.info_offset + 8 + tensor.name.size() + 4;
      for (std::uint32_t i = 0; i < tensor.n_dims; ++i, at += 8) {
        put(at, i == 0 ? tensor.size_bytes : std::uint64_t{1});
      }
      put(at, tensor_type::kI8);
    }
  }
  return twin;
}

Comparison::Comparison(GgmlJudge& judge, const Bases& bases)
    : judge_(judge),
      target_(open_bytes("target.gguf", bases.target.spell())),
      donor_(open_bytes("donor.gguf", bases.donor.spell())) {}

Finding Comparison::compare_file(const Bytes& file, bool with_grafts) {
  const auto verdict = judge_.judge(file);
  const auto source = std::make_shared<MemoryFile>("mutant.gguf", file);
  const auto parsed = parse_gguf(*source);
  if (!parsed.ok()) {
    require_sound(parsed.error());
    return judge_refusal(parsed.error(), verdict);
  }
  if (!verdict.is_known) {
    return {Column::kUnknown};
  }
  const OpenedModel model{source, parsed.value()};
  if (!verdict.accepts) {
    return compare_with_twin(file, model, verdict, with_grafts);
  }
  auto fault = compare_contents(file, model.gguf, verdict);
  return found(Column::kBothAccept, fault.empty() && with_grafts ? judge_grafts_of(model) : fault);
}

Finding Comparison::compare_with_twin(const Bytes& file, const OpenedModel& model, const Verdict& verdict,
                                      bool with_grafts) {
  const auto twin = make_twin(file, model.gguf);
  if (twin.types.empty()) {
    return {Column::kFault, "only mtpgraft accepts it: " + verdict.reason};
  }
  const auto other = judge_.judge(twin.file);
  if (!other.is_known) {
    return {Column::kUnknown};
  }
  if (!other.accepts && !twin.has_scalars) {
    return {Column::kFault, "only mtpgraft accepts it, and not only for its types: " + other.reason};
  }
  if (other.accepts) {
    if (auto fault = compare_judged(twin.file, other); !fault.empty()) {
      return {Column::kFault, fault};
    }
  }
  if (!std::ranges::all_of(twin.types, is_named_fork_type)) {
    return found(Column::kWarned,
                 is_accepted_by_a_command(model) ? "mtpgraft accepts a type that no fork has: " + verdict.reason : "");
  }
  return other.accepts ? found(Column::kForkTypes, with_grafts ? judge_grafts_of(model) : "")
                       : Finding{Column::kUnknown};
}

bool Comparison::is_accepted_by_a_command(const OpenedModel& model) const {
  // As with --strict: otherwise a graft warns, and it is the user who decides.
  const auto is_passed = [](const Result<Plan>& plan) {
    return plan.ok() &&
           std::ranges::find(plan.value().warnings, "type-unknown", &Warning::id) == plan.value().warnings.end();
  };
  const auto donor_data = read_head_data(*donor_.file, donor_.gguf, DigestHead::kYes, keep_going);
  if (is_passed(make_graft_plan(model.gguf, donor_.gguf, donor_data.value(), {.labels = {}}))) {
    return true;
  }
  const auto data = read_head_data(*model.file, model.gguf, DigestHead::kYes, keep_going);
  if (data.ok() && is_passed(make_graft_plan(target_.gguf, model.gguf, data.value(), {.labels = {}}))) {
    return true;
  }
  const auto report = verify_alone(model, keep_going);
  return report.ok() && report.value().ok();
}

Fault Comparison::judge_graft(const OpenedModel& target, const OpenedModel& donor) {
  const auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going);
  if (!data.ok()) {
    return {};
  }
  const auto plan = make_graft_plan(target.gguf, donor.gguf, data.value(), {.labels = {}});
  if (!plan.ok()) {
    return {};
  }
  const auto files = write_plan(plan.value(), target, donor, kLargeOutputBytesMax);
  if (!files) {
    ++large_graft_count_;
    return {};
  }
  ++graft_count_;
  for (const auto& output : *files) {
    const auto twin = make_twin(read_all(*output), parse_gguf(*output).value());
    const auto verdict = judge_.judge(twin.file);
    if (!verdict.accepts) {
      return "ggml does not read a graft of it: " + verdict.reason;
    }
    if (auto fault = compare_judged(twin.file, verdict); !fault.empty()) {
      return "a graft of it: " + fault;
    }
  }
  return {};
}

Fault Comparison::judge_grafts_of(const OpenedModel& model) {
  auto fault = judge_graft(model, donor_);
  return fault.empty() ? judge_graft(target_, model) : fault;
}

Finding Comparison::compare_shards(const std::vector<Bytes>& files) {
  std::vector<Verdict> verdicts;
  std::vector<Twin> twins;  // or the files themselves, as they were judged
  bool has_unnamed_types = false;
  for (const auto& file : files) {
    auto verdict = judge_.judge(file);
    Twin twin{file};
    const auto shard = parse_gguf(MemoryFile("shard.gguf", file));
    if (verdict.is_known && !verdict.accepts && shard.ok()) {
      twin = make_twin(file, shard.value());
      if (std::ranges::all_of(twin.types, is_named_fork_type)) {
        verdict = judge_.judge(twin.file);
      } else {
        has_unnamed_types = true;
      }
    }
    verdicts.push_back(std::move(verdict));
    twins.push_back(std::move(twin));
  }
  const auto model = read_model(as_files("mutant", files));
  if (model.ok() && !model.value().gguf.is_split()) {
    // By its keys the first file is a model of its own.
    return compare_file(files.front(), false);
  }
  const auto is_known = std::ranges::all_of(verdicts, &Verdict::is_known);
  const auto refused = std::ranges::find(verdicts, false, &Verdict::accepts);
  Verdict verdict{.is_known = is_known};
  verdict.reason = refused != verdicts.end() ? refused->reason : find_split_fault(verdicts);
  verdict.accepts = refused == verdicts.end() && verdict.reason.empty();
  if (!model.ok()) {
    require_sound(model.error());
    return judge_refusal(model.error(), verdict);
  }
  if (has_unnamed_types) {
    return found(Column::kWarned, is_accepted_by_a_command(model.value())
                                      ? "mtpgraft accepts a type that no fork has: " + verdict.reason
                                      : "");
  }
  if (!is_known || (!verdict.accepts && std::ranges::any_of(twins, &Twin::has_scalars))) {
    return {Column::kUnknown};
  }
  if (!verdict.accepts) {
    return {Column::kFault, "only mtpgraft accepts this split model: " + verdict.reason};
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (auto fault = compare_judged(twins[i].file, verdicts[i]); !fault.empty()) {
      return {Column::kFault, fmt::format("file {}: {}", i + 1, fault)};
    }
  }
  const auto has_types = [](const Twin& twin) { return !twin.types.empty(); };
  return found(std::ranges::any_of(twins, has_types) ? Column::kForkTypes : Column::kBothAccept,
               compare_model(model.value(), files, verdicts));
}

std::vector<Bytes> split(const GgufSpec& spec, std::size_t count) {
  std::vector<Bytes> files;
  for (std::size_t i = 0; i < count; ++i) {
    auto part = spec;
    if (i > 0) {
      std::erase_if(part.keys, [](const auto& key) { return key.name != "general.alignment"; });
    }
    const auto at = [&](std::size_t number) {
      return spec.tensors.begin() + static_cast<std::ptrdiff_t>(spec.tensors.size() * number / count);
    };
    part.tensors.assign(at(i), at(i + 1));
    if (count > 1) {
      part.set_key(kSplitNumberKey, scalar_value(ValueType::kU16, static_cast<std::uint16_t>(i)));
      part.set_key(kSplitCountKey, scalar_value(ValueType::kU16, static_cast<std::uint16_t>(count)));
      part.set_key(kSplitTensorsKey, scalar_value(ValueType::kI32, static_cast<std::int32_t>(spec.tensors.size())));
    }
    files.push_back(part.spell());
  }
  return files;
}

}  // namespace mtpgraft::fuzz
