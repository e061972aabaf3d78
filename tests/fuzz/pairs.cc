// Pairs that fit: what graft, strip and extract write, against what follows from what ggml reads in target and donor.
// Nothing of the plan is believed: neither which tensors the head has, nor which keys change.
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "differential.h"
#include "fuzz.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::string_view kRecord = "mtpgraft.record";
constexpr std::string_view kPadding = "mtpgraft.padding";  // spaces that let file systems share blocks
constexpr std::uint32_t kU32 = 4;
constexpr std::uint32_t kStringTypeId = 8;

struct Tensor {
  std::string name;
  std::uint32_t type = 0;
  std::array<std::uint64_t, 4> shape{};
  std::span<const std::byte> data;
  bool has_padding = false;  // of a type that ggml does not have: only the offsets tell its size
};

// What a model has, or must have. Keys are without split.* and the padding.
struct Content {
  std::vector<JudgedKey> keys;
  std::vector<Tensor> tensors;
};

// A model as ggml reads its files.
struct JudgedModel {
  std::vector<Bytes> files;
  std::vector<Verdict> verdicts;
  Content content;
};

const JudgedKey* find_key(const std::vector<JudgedKey>& keys, std::string_view name) {
  const auto found = std::ranges::find(keys, name, &JudgedKey::name);
  return found != keys.end() ? &*found : nullptr;
}

std::string name_of_arch_key(const std::vector<JudgedKey>& keys, std::string_view name) {
  const auto* const architecture = find_key(keys, "general.architecture");
  require(architecture != nullptr, "a model has an architecture");
  return fmt::format("{}.{}", architecture->value.c_str(), name);
}

std::uint32_t arch_number(const std::vector<JudgedKey>& keys, std::string_view name) {
  const auto* const key = find_key(keys, name_of_arch_key(keys, name));
  std::uint32_t number = 0;
  if (key != nullptr) {
    require(key->type == kU32, "the depth is an u32");
    std::memcpy(&number, key->value.data(), sizeof(number));
  }
  return number;
}

void set_arch_number(std::vector<JudgedKey>& keys, std::string_view name, std::uint32_t number) {
  const JudgedKey key{name_of_arch_key(keys, name), kU32, kU32, 1,
                      std::string(reinterpret_cast<const char*>(&number), sizeof(number))};
  const auto found = std::ranges::find(keys, key.name, &JudgedKey::name);
  if (found != keys.end()) {
    *found = key;
  } else {
    keys.push_back(key);
  }
}

// The N of "blk.N.".
std::optional<std::uint64_t> block_of(std::string_view name) {
  std::uint64_t block = 0;
  if (!name.starts_with("blk.")) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data() + 4, name.data() + name.size(), block);
  return error == std::errc() && end != name.data() + name.size() && *end == '.' ? std::optional(block) : std::nullopt;
}

std::uint32_t trunk_blocks(const Content& model) {
  return arch_number(model.keys, "block_count") - arch_number(model.keys, "nextn_predict_layers");
}

std::vector<Tensor> tensors_of_root(const Content& model) {
  auto tensors = model.tensors;
  std::erase_if(tensors, [](const Tensor& tensor) { return block_of(tensor.name).has_value(); });
  return tensors;
}

// The donor's head, numbered for a model of so many blocks.
std::vector<Tensor> tensors_of_head(const Content& donor, std::uint32_t first_block) {
  std::vector<Tensor> head;
  for (auto tensor : donor.tensors) {
    const auto block = block_of(tensor.name);
    if (block && *block >= trunk_blocks(donor)) {
      const auto rest = tensor.name.substr(tensor.name.find('.', 4));
      tensor.name = fmt::format("blk.{}{}", *block - trunk_blocks(donor) + first_block, rest);
      head.push_back(std::move(tensor));
    }
  }
  require(!head.empty(), "a donor has a head");
  return head;
}

std::vector<JudgedKey> keys_with_head(const Content& target, const Content& donor) {
  auto keys = target.keys;
  const auto head_blocks = arch_number(donor.keys, "nextn_predict_layers");
  set_arch_number(keys, "block_count", trunk_blocks(target) + head_blocks);
  set_arch_number(keys, "nextn_predict_layers", head_blocks);
  return keys;
}

Content expect_graft(const Content& target, const Content& donor, bool has_record) {
  Content graft{keys_with_head(target, donor), target.tensors};
  if (has_record) {
    graft.keys.push_back({std::string(kRecord), kStringTypeId, kStringTypeId, 1, ""});
  }
  std::ranges::move(tensors_of_head(donor, trunk_blocks(target)), std::back_inserter(graft.tensors));
  return graft;
}

// `target` is null if the head stays that of the donor.
Content expect_extract(const Content* target, const Content& donor, ExtractForm form) {
  const auto& model = target != nullptr ? *target : donor;
  auto head = tensors_of_head(donor, trunk_blocks(model));
  if (form == ExtractForm::kTensorsOnly) {
    Content extract{{*find_key(model.keys, "general.architecture")}, std::move(head)};
    const auto* const alignment = find_key(model.keys, "general.alignment");
    if (alignment != nullptr && alignment->value != std::string("\x20\0\0\0", 4)) {
      extract.keys.push_back(*alignment);
    }
    return extract;
  }
  Content extract{target != nullptr ? keys_with_head(model, donor) : model.keys, tensors_of_root(model)};
  std::ranges::move(head, std::back_inserter(extract.tensors));
  return extract;
}

// Where only the offsets tell a size, it counts the padding.
bool has_same_data(const Tensor& a, const Tensor& b) {
  if (!a.has_padding && !b.has_padding) {
    return std::ranges::equal(a.data, b.data);
  }
  const auto size = std::min(a.data.size(), b.data.size());
  const auto is_padding = [&](std::span<const std::byte> data) {
    return std::ranges::all_of(data.subspan(size), [](std::byte byte) { return byte == std::byte{0}; });
  };
  return std::ranges::equal(a.data.first(size), b.data.first(size)) && is_padding(a.data) && is_padding(b.data);
}

Fault compare_contents(const Content& output, const Content& expected) {
  if (output.keys.size() != expected.keys.size() || output.tensors.size() != expected.tensors.size()) {
    return fmt::format("the output has {} keys and {} tensors, and should have {} and {}", output.keys.size(),
                       output.tensors.size(), expected.keys.size(), expected.tensors.size());
  }
  for (std::size_t i = 0; i < output.keys.size(); ++i) {
    auto key = output.keys[i];
    if (key.name == kRecord) {
      key.value.clear();
    }
    if (key != expected.keys[i]) {
      return fmt::format("the output's key '{}' is not what follows from target and donor for '{}'", key.name,
                         expected.keys[i].name);
    }
  }
  for (std::size_t i = 0; i < output.tensors.size(); ++i) {
    const auto& ours = output.tensors[i];
    const auto& theirs = expected.tensors[i];
    if (ours.name != theirs.name || ours.type != theirs.type || ours.shape != theirs.shape ||
        !has_same_data(ours, theirs)) {
      return fmt::format("the output's tensor '{}' is not its source's '{}'", ours.name, theirs.name);
    }
  }
  return {};
}

// What the loader of llama.cpp asks of the files, and that the later ones have no keys of a model.
Fault check_files(const JudgedModel& model) {
  if (model.files.size() == 1) {
    return find_key(model.verdicts.front().keys, kSplitCountKey) != nullptr ? "one file has split.count" : "";
  }
  if (const auto fault = find_split_fault(model.verdicts); !fault.empty()) {
    return "the files do not fit each other: " + fault;
  }
  for (std::size_t i = 1; i < model.files.size(); ++i) {
    for (const auto& key : model.verdicts[i].keys) {
      if (!key.name.starts_with("split.") && key.name != "general.alignment" && key.name != kPadding) {
        return fmt::format("a later file has the key '{}'", key.name);
      }
    }
  }
  return {};
}

// The reason why ggml refuses one of the files; nothing if it reads all.
Fault judge_files(GgmlJudge& judge, const std::vector<Bytes>& files, JudgedModel& model) {
  model.files = files;
  for (const auto& file : model.files) {
    const auto gguf = parse_gguf(MemoryFile("model.gguf", file));
    if (!gguf.ok()) {
      return "mtpgraft refuses it: " + gguf.error().message;
    }
    const auto verdict = judge.judge(make_twin(file, gguf.value()).file);
    if (!verdict.accepts) {
      return "ggml does not read it: " + verdict.reason;
    }
    if (verdict.tensors.size() != gguf.value().tensors.size()) {
      return "ggml reads another number of tensors";
    }
    for (std::size_t i = 0; i < verdict.tensors.size(); ++i) {
      const auto& theirs = verdict.tensors[i];
      const auto& ours = gguf.value().tensors[i];
      const bool is_retyped = theirs.type != ours.type;
      model.content.tensors.push_back({theirs.name, ours.type, is_retyped ? ours.shape : theirs.shape,
                                       std::span(file).subspan(theirs.offset, theirs.size_bytes), is_retyped});
    }
    model.verdicts.push_back(verdict);
  }
  model.content.keys = model.verdicts.front().keys;
  std::erase_if(model.content.keys,
                [](const JudgedKey& key) { return key.name.starts_with("split.") || key.name == kPadding; });
  return check_files(model);
}

// `file` is what the output must be to the byte, if that is known.
Fault judge_plan(GgmlJudge& judge, const Plan& plan, const OpenedModel& target, const OpenedModel& donor,
                 const Content& expected, const Bytes* file = nullptr) {
  const auto outputs = write_plan(plan, target, donor, kLargeOutputBytesMax);
  if (!outputs) {
    return "the output is larger than any of such a pair";
  }
  std::vector<Bytes> files;
  for (const auto& output : *outputs) {
    files.push_back(read_all(*output));
  }
  JudgedModel model;
  if (auto fault = judge_files(judge, files, model); !fault.empty()) {
    return fault;
  }
  if (auto fault = compare_contents(model.content, expected); !fault.empty()) {
    return fault;
  }
  return file == nullptr || (files.size() == 1 && files.front() == *file) ? ""
                                                                          : "it is not the original, byte for byte";
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

std::size_t expect_file_count(std::size_t target_files, Split split) {
  const bool is_one = split == Split::kMerge || (split == Split::kAsTarget && target_files == 1);
  return is_one ? 1 : target_files + 1;
}

// `original` is null where a strip does not give it back to the byte.
Fault check_strip(GgmlJudge& judge, const OpenedModel& graft, const Content& target, const Bytes* original) {
  const auto plan = make_strip_plan(graft.gguf, {});
  if (!plan.ok()) {
    return "a graft cannot be stripped: " + plan.error().message;
  }
  auto fault = judge_plan(judge, plan.value(), graft, graft, target, original);
  return fault.empty() ? "" : "stripped: " + fault;
}

Fault check_extracts(GgmlJudge& judge, const OpenedModel& donor, const Content& judged_donor, const OpenedModel& target,
                     const Content& judged_target) {
  const auto data = read_head_data(*donor.file, donor.gguf, DigestHead::kYes, keep_going).value();
  for (const auto form : {ExtractForm::kSidecar, ExtractForm::kTensorsOnly}) {
    for (const bool for_target : {false, true}) {
      const auto plan = make_extract_plan(donor.gguf, data, for_target ? &target.gguf : nullptr, form);
      if (!plan.ok()) {
        return "a head cannot be extracted: " + plan.error().message;
      }
      const auto expected = expect_extract(for_target ? &judged_target : nullptr, judged_donor, form);
      auto fault = judge_plan(judge, plan.value(), for_target ? target : donor, donor, expected);
      if (!fault.empty()) {
        return "extracted: " + fault;
      }
    }
  }
  return {};
}

Fault check_verify(const ModelFiles& files, const OpenedModel& graft, const OpenedModel& target,
                   const OpenedModel& donor) {
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
  const auto options = make_options(target.value(), random);
  const auto plan = make_graft_plan(target.value().gguf, donor.value().gguf, data, options);
  if (!plan.ok()) {
    return fmt::format("a pair does not fit: {}: {}", plan.error().message,
                       plan.error().details.empty() ? "" : plan.error().details.front());
  }
  if (plan.value().files.size() != expect_file_count(pair.target.size(), options.split)) {
    return fmt::format("a graft of {} files", plan.value().files.size());
  }
  const auto expected = expect_graft(judged_target.content, judged_donor.content, options.labels.has_value());
  auto fault = judge_plan(judge, plan.value(), target.value(), donor.value(), expected);
  if (!fault.empty()) {
    return fault;
  }
  const auto outputs = write_plan(plan.value(), target.value(), donor.value(), kLargeOutputBytesMax).value();
  const auto graft = read_model(outputs);
  if (!graft.ok()) {
    return "the graft: " + graft.error().message;
  }
  fault = check_verify(outputs, graft.value(), target.value(), donor.value());
  const auto& gguf = target.value().gguf;
  // Where only the offsets tell the size of the last tensor, it keeps the padding that the graft gave it.
  const bool is_end_known = !judged_target.content.tensors.back().has_padding || gguf.size % gguf.alignment == 0;
  const bool is_restored = options.labels && !gguf.is_split() && gguf.data_end == gguf.size && is_end_known;
  const auto* const original = is_restored ? &pair.target.front() : nullptr;
  fault = !fault.empty() ? fault : check_strip(judge, graft.value(), judged_target.content, original);
  return !fault.empty()
             ? fault
             : check_extracts(judge, donor.value(), judged_donor.content, target.value(), judged_target.content);
}

}  // namespace mtpgraft::fuzz
