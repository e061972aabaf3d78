#include <fmt/core.h>

#include <algorithm>

#include "differential.h"
#include "fuzz.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"

namespace mtpgraft::fuzz {
namespace {

// A model, and what ggml reads in its files.
struct JudgedModel {
  std::vector<Bytes> files;
  std::vector<Verdict> verdicts;
  std::set<std::string> retyped{};  // tensors of types that ggml does not have

  [[nodiscard]] std::span<const std::byte> data(std::size_t file, const JudgedTensor& tensor) const {
    return std::span(files[file]).subspan(tensor.offset, tensor.size_bytes);
  }
};

struct FoundTensor {
  const JudgedTensor* tensor;
  std::span<const std::byte> data;
};

std::optional<FoundTensor> find_tensor(const JudgedModel& model, std::string_view name) {
  for (std::size_t i = 0; i < model.files.size(); ++i) {
    const auto& tensors = model.verdicts[i].tensors;
    const auto found = std::ranges::find(tensors, name, &JudgedTensor::name);
    if (found != tensors.end()) {
      return FoundTensor{&*found, model.data(i, *found)};
    }
  }
  return std::nullopt;
}

std::size_t count_tensors(const JudgedModel& model) {
  std::size_t count = 0;
  for (const auto& verdict : model.verdicts) {
    count += verdict.tensors.size();
  }
  return count;
}

// The reason why ggml refuses one of the files; nothing if it reads all.
Fault judge_files(GgmlJudge& judge, const std::vector<Bytes>& files, JudgedModel& model) {
  model.files = files;
  for (const auto& file : files) {
    const auto gguf = parse_gguf(MemoryFile("model.gguf", file));
    if (!gguf.ok()) {
      return "mtpgraft refuses it: " + gguf.error().message;
    }
    const auto twin = make_twin(file, gguf.value());
    model.verdicts.push_back(judge.judge(twin.file));
    if (!model.verdicts.back().accepts) {
      return "ggml refuses it: " + model.verdicts.back().reason;
    }
    for (const auto& tensor : gguf.value().tensors) {
      if (twin.types.contains(tensor.type)) {
        model.retyped.insert(tensor.name);
      }
    }
  }
  return {};
}

Fault judge_outputs(GgmlJudge& judge, const std::optional<ModelFiles>& outputs, JudgedModel& model) {
  std::vector<Bytes> files;
  for (const auto& output : outputs.value_or(ModelFiles{})) {
    files.push_back(read_all(*output));
  }
  return judge_files(judge, files, model);
}

// Where only the offsets tell a size, it counts the padding.
bool has_same_data(const FoundTensor& a, const FoundTensor& b, bool with_padding) {
  if (!with_padding) {
    return a.tensor->type == b.tensor->type && a.tensor->shape == b.tensor->shape && std::ranges::equal(a.data, b.data);
  }
  const auto size = std::min(a.data.size(), b.data.size());
  const auto is_padding = [&](std::span<const std::byte> data) {
    return std::ranges::all_of(data.subspan(size), [](std::byte byte) { return byte == std::byte{0}; });
  };
  return std::ranges::equal(a.data.first(size), b.data.first(size)) && is_padding(a.data) && is_padding(b.data);
}

Fault compare_tensors(const JudgedModel& output, const JudgedModel& target, const JudgedModel& donor,
                      const Plan& plan) {
  if (count_tensors(output) != count_tensors(target) + plan.head_tensors.size()) {
    return "the output has another number of tensors";
  }
  for (const auto& verdict : target.verdicts) {
    for (const auto& tensor : verdict.tensors) {
      const auto from = find_tensor(target, tensor.name);
      const auto to = find_tensor(output, tensor.name);
      if (!to || !has_same_data(*from, *to, output.retyped.contains(tensor.name))) {
        return fmt::format("the output's tensor '{}' is not the target's", tensor.name);
      }
    }
  }
  for (const auto& head : plan.head_tensors) {
    const auto from = find_tensor(donor, head.donor_name);
    const auto to = find_tensor(output, head.name);
    const auto is_renumbered =
        head.name.substr(head.name.find('.', 4)) == head.donor_name.substr(head.donor_name.find('.', 4));
    const bool is_converted = head.info.type != head.donor_type;
    if (!from || !to || !is_renumbered ||
        (!is_converted && !has_same_data(*from, *to, output.retyped.contains(head.name)))) {
      return fmt::format("the output's tensor '{}' is not the donor's", head.name);
    }
  }
  return {};
}

Fault compare_keys(const JudgedModel& output, const JudgedModel& target, const Plan& plan) {
  const auto is_ours = [&](const JudgedKey& key) {
    return key.name.starts_with("split.") || key.name.starts_with("mtpgraft.") ||
           std::ranges::find(plan.key_changes, key.name, &KeyChange::key) != plan.key_changes.end();
  };
  const auto& before = target.verdicts.front().keys;
  const auto& after = output.verdicts.front().keys;
  for (const auto& key : before) {
    if (!is_ours(key) && std::ranges::find(after, key) == after.end()) {
      return fmt::format("the output's key '{}' is not the target's", key.name);
    }
  }
  for (const auto& key : after) {
    if (!is_ours(key) && std::ranges::find(before, key) == before.end()) {
      return fmt::format("the output has a key '{}' that nobody asked for", key.name);
    }
  }
  return {};
}

struct Pair {
  std::vector<Bytes> target;
  std::vector<Bytes> donor;
};

Pair make_pair(const Bases& bases, Random& random) {
  auto target = bases.target;
  auto donor = bases.donor;
  const auto row_elements = random.any_of<std::uint64_t>({4, 4, 4, 32, 64});
  widen(target, row_elements, random);
  widen(donor, row_elements, random);
  const bool with_fork_types = random.one_in(2);
  for (auto i = random.below(4); i > 0; --i) {
    const auto name =
        random.any_of<std::string>({fmt::format("blk.0.extra_{}.weight", i), fmt::format("тензор\n'{}", i),
                                    std::string(62, 'x') + std::to_string(i), std::string(i - 1, ' ')});
    add_tensor(target, name, random, with_fork_types);
  }
  vary(target, random);
  vary(donor, random);
  return {split(target, random.any_of<std::size_t>({1, 1, 2, 3})), split(donor, random.any_of<std::size_t>({1, 1, 2}))};
}

GraftOptions make_options(const OpenedModel& target, Random& random) {
  GraftOptions options{.labels = std::nullopt, .split = random.any_of({Split::kAsTarget, Split::kMerge, Split::kHead})};
  if (random.one_in(2)) {
    options.labels = RecordLabels{"fuzz", "target.gguf", "donor.gguf"};
    options.target_header = read_target_header(*target.file, target.gguf).value();
  }
  return options;
}

Fault check_strip(GgmlJudge& judge, const OpenedModel& graft) {
  const auto plan = make_strip_plan(graft.gguf, {});
  if (!plan.ok()) {
    return "a graft cannot be stripped: " + plan.error().message;
  }
  JudgedModel stripped;
  auto fault = judge_outputs(judge, write_plan(plan.value(), graft, graft), stripped);
  return fault.empty() ? "" : "stripped: " + fault;
}

Fault check_extracts(GgmlJudge& judge, const OpenedModel& donor, const HeadData& data, const OpenedModel& target) {
  for (const auto form : {ExtractForm::kSidecar, ExtractForm::kTensorsOnly}) {
    for (const auto* model : {&target, static_cast<const OpenedModel*>(nullptr)}) {
      const auto plan = make_extract_plan(donor.gguf, data, model != nullptr ? &model->gguf : nullptr, form);
      if (!plan.ok()) {
        return "a head cannot be extracted: " + plan.error().message;
      }
      JudgedModel extracted;
      const auto files = write_plan(plan.value(), model != nullptr ? *model : donor, donor);
      if (auto fault = judge_outputs(judge, files, extracted); !fault.empty()) {
        return "extracted: " + fault;
      }
    }
  }
  return {};
}

Fault check_verify(const ModelFiles& files, const OpenedModel& graft, const OpenedModel& target,
                   const OpenedModel& donor) {
  const RecordLabels fallback{"fuzz", "target.gguf", "donor.gguf"};
  const auto compared = verify_tensors(files, target, donor, keep_going);
  if (!compared.ok() || !compared.value().ok()) {
    return "verify finds another tensor than target and donor have";
  }
  const auto alone = verify_alone(graft, keep_going);
  return alone.ok() && alone.value().ok() ? "" : "verify refuses a graft";
}

}  // namespace

Fault check_pair(GgmlJudge& judge, const Bases& bases, Random& random) {
  const auto pair = make_pair(bases, random);
  JudgedModel judged_target;
  JudgedModel judged_donor;
  for (auto [files, judged] : {std::pair(&pair.target, &judged_target), std::pair(&pair.donor, &judged_donor)}) {
    if (auto fault = judge_files(judge, *files, *judged); !fault.empty()) {
      return "a sound file: " + fault;
    }
  }
  const auto target = read_model(as_files("target", pair.target));
  const auto donor = read_model(as_files("donor", pair.donor));
  if (!target.ok() || !donor.ok()) {
    return "a sound model: " + (target.ok() ? donor : target).error().message;
  }
  const auto data = read_head_data(*donor.value().file, donor.value().gguf, DigestHead::kYes, keep_going).value();
  const auto plan =
      make_graft_plan(target.value().gguf, donor.value().gguf, data, make_options(target.value(), random));
  if (!plan.ok()) {
    return fmt::format("a pair does not fit: {}: {}", plan.error().message,
                       plan.error().details.empty() ? "" : plan.error().details.front());
  }
  const auto outputs = write_plan(plan.value(), target.value(), donor.value());
  JudgedModel judged_output;
  auto fault = judge_outputs(judge, outputs, judged_output);
  if (!fault.empty() || judged_output.files.empty()) {
    return fault;
  }
  fault = compare_tensors(judged_output, judged_target, judged_donor, plan.value());
  fault = !fault.empty() ? fault : compare_keys(judged_output, judged_target, plan.value());
  const auto graft = read_model(*outputs);
  if (!fault.empty() || !graft.ok()) {
    return graft.ok() ? fault : "the graft: " + graft.error().message;
  }
  fault = check_verify(*outputs, graft.value(), target.value(), donor.value());
  fault = !fault.empty() ? fault : check_strip(judge, graft.value());
  return !fault.empty() ? fault : check_extracts(judge, donor.value(), data, target.value());
}

}  // namespace mtpgraft::fuzz
