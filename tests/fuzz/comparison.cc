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

Fault count_refusal(const Error& error, const Verdict& verdict, Counts& counts) {
  if (!verdict.accepts) {
    ++counts.both_refuse;
    return {};
  }
  const auto is_reason = [&](const Refusal& refusal) {
    return error.message.find(refusal.message_part) != std::string::npos;
  };
  const auto* const found = std::ranges::find_if(kRefusals, is_reason);
  if (found == kRefusals.end()) {
    return "only ggml accepts it, for a reason that is not on the list: " + error.message;
  }
  ++counts.refused[found->what];
  return {};
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

Fault compare_contents(const GgufFile& ours, const Verdict& theirs) {
  if (ours.keys.size() != theirs.keys.size() || ours.tensors.size() != theirs.tensors.size()) {
    return "ggml reads another number of keys or tensors";
  }
  for (std::size_t i = 0; i < ours.keys.size(); ++i) {
    const auto& item = ours.keys[i];
    const auto& value = item.value;
    const JudgedKey judged{item.key, static_cast<std::uint32_t>(value.type),
                           static_cast<std::uint32_t>(value.element_type), value.element_count,
                           item.is_complete() ? judged_value(value) : theirs.keys[i].value};
    if (judged != theirs.keys[i]) {
      return fmt::format("ggml reads another value of key '{}'", item.key);
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

// What the loader of llama.cpp asks of the files of a split model, beyond each being sound.
std::string find_split_fault(const std::vector<Verdict>& files) {
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

}  // namespace

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
  Twin twin{file, {}};
  const auto put = [&](std::uint64_t at, auto value) { std::memcpy(twin.file.data() + at, &value, sizeof(value)); };
  for (const auto& tensor : gguf.tensors) {
    if (!is_upstreams(tensor)) {
      twin.types.insert(tensor.type);
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

Fault Comparison::compare_file(const Bytes& file, bool with_grafts, Counts& counts) {
  const auto verdict = judge_.judge(file);
  const auto source = std::make_shared<MemoryFile>("mutant.gguf", file);
  const auto parsed = parse_gguf(*source);
  if (!parsed.ok()) {
    require_sound(parsed.error());
    return count_refusal(parsed.error(), verdict, counts);
  }
  const auto& gguf = parsed.value();
  if (verdict.accepts) {
    ++counts.both_accept;
    if (auto fault = compare_contents(gguf, verdict); !fault.empty()) {
      return fault;
    }
    return with_grafts ? judge_grafts_of({source, gguf}) : "";
  }
  const auto twin = make_twin(file, gguf);
  if (twin.types.empty()) {
    return "only mtpgraft accepts it: " + verdict.reason;
  }
  // A tensor without dimensions has no place for the number of its bytes.
  const auto is_scalar = [](const TensorInfo& tensor) { return tensor.n_dims == 0; };
  if (const auto other = judge_.judge(twin.file); !other.accepts && std::ranges::none_of(gguf.tensors, is_scalar)) {
    return "only mtpgraft accepts it, and not only for its types: " + other.reason;
  }
  if (!std::ranges::all_of(twin.types, is_named_fork_type)) {
    ++counts.both_refuse;
    return is_accepted_by_a_command({source, gguf}) ? "mtpgraft accepts a type that no fork has: " + verdict.reason
                                                    : "";
  }
  ++counts.fork_types;
  return with_grafts ? judge_grafts_of({source, gguf}) : "";
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

Fault Comparison::judge_grafts_of(const OpenedModel& model) {
  const auto judge_graft = [&](const OpenedModel& target, const OpenedModel& donor) -> Fault {
    const auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going);
    if (!data.ok()) {
      return {};
    }
    const auto plan = make_graft_plan(target.gguf, donor.gguf, data.value(), {.labels = {}});
    const auto files = plan.ok() ? write_plan(plan.value(), target, donor) : std::nullopt;
    for (const auto& output : files.value_or(ModelFiles{})) {
      const auto bytes = read_all(*output);
      const auto verdict = judge_.judge(make_twin(bytes, parse_gguf(*output).value()).file);
      if (!verdict.accepts) {
        return "ggml refuses a graft of it: " + verdict.reason;
      }
    }
    return {};
  };
  auto fault = judge_graft(model, donor_);
  return fault.empty() ? judge_graft(target_, model) : fault;
}

Fault Comparison::compare_shards(const std::vector<Bytes>& files, Counts& counts) {
  std::vector<Verdict> verdicts;
  bool has_fork_types = false;
  for (const auto& file : files) {
    auto verdict = judge_.judge(file);
    const auto shard = parse_gguf(MemoryFile("shard.gguf", file));
    if (!verdict.accepts && shard.ok()) {
      const auto twin = make_twin(file, shard.value());
      if (!twin.types.empty() && std::ranges::all_of(twin.types, is_named_fork_type)) {
        has_fork_types = true;
        verdict = judge_.judge(twin.file);
      }
    }
    verdicts.push_back(std::move(verdict));
  }
  const auto model = read_model(as_files("mutant", files));
  if (model.ok() && !model.value().gguf.is_split()) {
    // By its keys the first file is a model of its own.
    return compare_file(files.front(), false, counts);
  }
  Verdict verdict;
  const auto refused = std::ranges::find(verdicts, false, &Verdict::accepts);
  verdict.reason = refused != verdicts.end() ? refused->reason : find_split_fault(verdicts);
  verdict.accepts = refused == verdicts.end() && verdict.reason.empty();
  if (!model.ok()) {
    require_sound(model.error());
    return count_refusal(model.error(), verdict, counts);
  }
  if (verdict.accepts) {
    ++(has_fork_types ? counts.fork_types : counts.both_accept);
    return {};
  }
  const auto is_unnamed = [](const TensorInfo& tensor) {
    return !is_upstream_tensor_type(tensor.type) && !is_named_fork_type(tensor.type);
  };
  if (std::ranges::any_of(model.value().gguf.tensors, is_unnamed)) {
    ++counts.both_refuse;
    return is_accepted_by_a_command(model.value()) ? "mtpgraft accepts a type that no fork has" : "";
  }
  return "only mtpgraft accepts this split model: " + verdict.reason;
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
