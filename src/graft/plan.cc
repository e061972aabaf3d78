#include "mtpgraft/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "gguf/describe.h"
#include "gguf/tensor_types.h"
#include "graft/compatibility.h"
#include "graft/layer_arrays.h"
#include "graft/layout.h"
#include "graft/record.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

using Json = nlohmann::ordered_json;

Json integer_or_number(const KeyValue& item, std::uint64_t index) {
  const auto integer = item.integer_at(index);
  return integer ? Json(*integer) : Json(item.number_at(index).value_or(0));
}

// {type, value} of a key as it was, for the record.
Json old_value(const KeyValue& item) {
  if (!item.is_array()) {
    return {{"type", value_type_name(item.type)}, {"value", integer_or_number(item, 0)}};
  }
  auto values = Json::array();
  for (std::uint64_t i = 0; i < item.element_count; ++i) {
    values.push_back(integer_or_number(item, i));
  }
  return {{"type", fmt::format("{}[]", value_type_name(item.element_type))}, {"value", std::move(values)}};
}

class Planner {
 public:
  Planner(const GgufFile& target, const GgufFile& donor, const HeadData& head_data, const GraftOptions& options)
      : target_(target),
        donor_(donor),
        head_data_(head_data),
        options_(options),
        target_head_(find_head(target)),
        donor_head_(find_head(donor)),
        trunk_blocks_(count_trunk_blocks(target, target_head_)) {}

  Result<Plan> make() && {
    MTPGRAFT_CHECK(check_target(target_, target_head_, options_.replace));
    MTPGRAFT_CHECK(check_donor(donor_, donor_head_, target_));
    auto fit = check_fit(target_, target_head_, donor_, donor_head_, head_data_);
    if (!fit.refusals.empty()) {
      return Error{ErrorCode::kIncompatible,
                   fmt::format("the head of '{}' does not fit", donor_.path),
                   target_.path,
                   {},
                   fit.is_other_model ? "take the head from the model that the target was made from" : "",
                   std::move(fit.refusals)};
    }
    plan_.warnings = std::move(fit.warnings);
    MTPGRAFT_CHECK(change_keys());
    choose_tensors();
    lay_out();
    warn_of_trailing_bytes();
    return std::move(plan_);
  }

 private:
  Status change_keys() {
    plan_.first_head_block = trunk_blocks_;
    plan_.head_block_count = donor_head_.block_count;
    const auto set_u32 = [&](std::string_view name, std::uint64_t value) {
      const auto key = fmt::format("{}.{}", target_.architecture(), name);
      const auto* item = target_.find_key(key);
      if (item != nullptr && item->unsigned_at() == value) {
        return;
      }
      old_keys_[key] = item != nullptr ? old_value(*item) : Json(nullptr);
      auto bytes = serialize_u32_key(key, static_cast<std::uint32_t>(value));
      if (item != nullptr) {
        changed_.emplace(key, std::move(bytes));
      } else {
        appended_.emplace_back(key, std::move(bytes));
      }
      plan_.key_changes.push_back(
          {key, "u32", item != nullptr ? describe_element(*item) : "", fmt::format("{}", value)});
    };
    set_u32("block_count", trunk_blocks_ + donor_head_.block_count);
    set_u32("nextn_predict_layers", donor_head_.block_count);
    for (const auto& item : target_.keys) {
      MTPGRAFT_TRY(auto change, extend_layer_array(item, target_, trunk_blocks_, donor_, donor_head_));
      if (change) {
        old_keys_[item.key] = old_value(item);
        plan_.key_changes.push_back({item.key, fmt::format("{}[]", value_type_name(item.element_type)),
                                     fmt::format("{} entries", item.element_count), describe_extension(item, *change)});
        changed_.emplace(item.key,
                         serialize_array_key(item.key, item.element_type, change->element_count, change->elements));
      }
    }
    describe_record();
    return ok_status();
  }

  void describe_record() {
    const bool was_there = target_.find_key(kRecordKey) != nullptr;
    if (was_there || options_.labels) {
      plan_.key_changes.push_back({std::string(kRecordKey), "string", was_there ? "an earlier record" : "",
                                   options_.labels ? "origin, old values, digest of the head" : "none"});
    }
  }

  std::string describe_extension(const KeyValue& item, const LayerArrayChange& change) const {
    KeyValue extended = item;
    extended.kept = change.elements;
    extended.element_count = change.element_count;
    std::string added;
    for (auto i = trunk_blocks_; i < change.element_count; ++i) {
      added += fmt::format("{}{}", added.empty() ? "" : ", ", describe_element(extended, i));
    }
    return fmt::format("{} entries, the head's: {}", change.element_count, added);
  }

  void choose_tensors() {
    const std::set<std::size_t> removed(target_head_.tensors.begin(), target_head_.tensors.end());
    for (std::size_t i = 0; i < target_.tensors.size(); ++i) {
      if (removed.contains(i)) {
        plan_.removed_tensors.push_back(target_.tensors[i].name);
      } else {
        kept_.push_back(&target_.tensors[i]);
      }
    }
    for (const auto index : donor_head_.tensors) {
      const auto& tensor = donor_.tensors[index];
      const auto split = split_block_name(tensor.name).value();
      HeadTensor head{fmt::format("blk.{}.{}", split.block - donor_head_.first_block + trunk_blocks_, split.name),
                      tensor.name, tensor, tensor.type};
      head.info.name = head.name;
      if (tensor.is_vector() && tensor.type != tensor_type::kF32) {
        head.info.type = tensor_type::kF32;
        head.info.size_bytes = tensor.element_count() * sizeof(float);
      }
      plan_.head_bytes += head.info.size_bytes;
      plan_.head_tensors.push_back(std::move(head));
    }
    plan_.tensor_count = kept_.size() + plan_.head_tensors.size();
  }

  // Data offsets from the data section's start: kept tensors first, then the head's.
  void place_data(std::uint64_t data_offset) {
    auto at = data_offset;
    kept_offsets_.clear();
    for (const auto* tensor : kept_) {
      kept_offsets_.push_back(at);
      at = align_up(at + tensor->size_bytes, target_.alignment);
    }
    for (auto& head : plan_.head_tensors) {
      head.info.offset = at;
      at = align_up(at + head.info.size_bytes, target_.alignment);
    }
  }

  void lay_out() {
    place_data(0);
    if (options_.labels) {
      // Spaces at the end of the record move the data to the phase that the target's data have.
      const auto data_offset = origin().data_offset;
      auto text = record_text();
      lay_out_header(text);
      const auto phase = (data_offset - layout_.size()) % kCloneBlockBytes;
      if (target_.alignment <= kCloneBlockBytes) {
        text.append(phase, ' ');
      }
      lay_out_header(text);
    } else {
      lay_out_header({});
    }
    layout_.pad_to(target_.alignment);
    plan_.data_offset = layout_.size();
    place_data(plan_.data_offset);
    lay_out_data();
    std::move(layout_).finish(plan_);
  }

  void lay_out_header(const std::optional<std::string>& record) {
    layout_ = Layout();
    const auto* old_record = target_.find_key(kRecordKey);
    const auto key_count = target_.keys.size() - (old_record != nullptr ? 1 : 0) + appended_.size() + (record ? 1 : 0);
    layout_.begin(Region::Kind::kCounts);
    layout_.add(serialize_counts(target_.version, plan_.tensor_count, key_count));
    for (const auto& item : target_.keys) {
      if (&item == old_record) {
        continue;
      }
      layout_.begin(Region::Kind::kKey, item.key);
      const auto changed = changed_.find(item.key);
      if (changed != changed_.end()) {
        layout_.add(changed->second);
      } else {
        layout_.add_copy(Source::kTarget, item.offset, item.end - item.offset);
      }
    }
    for (const auto& [key, bytes] : appended_) {
      layout_.begin(Region::Kind::kKey, key);
      layout_.add(bytes);
    }
    if (record) {
      layout_.begin(Region::Kind::kKey, std::string(kRecordKey));
      layout_.add(serialize_string_key(kRecordKey, *record));
    }
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const auto& tensor = *kept_[i];
      layout_.begin(Region::Kind::kTensorInfo, tensor.name);
      // kept_offsets_ are relative here or absolute later; only the distance to the first one counts.
      const auto relative_offset = kept_offsets_[i] - kept_offsets_.front();
      if (relative_offset == tensor.offset - target_.data_offset) {
        layout_.add_copy(Source::kTarget, tensor.info_offset, tensor.info_end - tensor.info_offset);
      } else {
        auto moved = tensor;
        moved.offset = relative_offset;
        layout_.add(serialize_tensor_info(moved, 0));
      }
    }
    for (const auto& head : plan_.head_tensors) {
      layout_.begin(Region::Kind::kTensorInfo, head.name);
      layout_.add(serialize_tensor_info(head.info, 0));
    }
  }

  void lay_out_data() {
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      const auto& tensor = *kept_[i];
      assert(layout_.size() == kept_offsets_[i]);
      layout_.begin(Region::Kind::kTensorData, tensor.name);
      // With its padding, so that the whole body is one copy; the last tensor of the file may lack some.
      const auto padded = align_up(tensor.size_bytes, target_.alignment);
      layout_.add_copy(Source::kTarget, tensor.offset, tensor.size_bytes);
      const auto padding = std::min(padded, target_.data_end - tensor.offset) - tensor.size_bytes;
      if (padding != 0) {
        layout_.begin_padding();
        layout_.add_copy(Source::kTarget, tensor.offset + tensor.size_bytes, padding);
      }
      layout_.pad_to(target_.alignment);
    }
    for (std::size_t i = 0; i < plan_.head_tensors.size(); ++i) {
      const auto& head = plan_.head_tensors[i];
      const auto& source = donor_.tensors[donor_head_.tensors[i]];
      assert(layout_.size() == head.info.offset);
      layout_.begin(Region::Kind::kTensorData, head.name);
      if (head.info.type == source.type) {
        layout_.add_copy(Source::kDonor, source.offset, source.size_bytes);
      } else {
        const auto bytes = std::as_bytes(std::span(head_data_.vectors[i].value()));
        layout_.add({bytes.begin(), bytes.end()});
      }
      layout_.pad_to(target_.alignment);
    }
  }

  RecordOrigin origin() const {
    if (const auto earlier = find_record(target_)) {
      return earlier->origin;
    }
    return {options_.labels->target_file,
            target_.size,
            target_.keys.size(),
            target_.tensors.size(),
            target_.data_offset,
            old_keys_.is_null() ? "{}" : old_keys_.dump(-1, ' ', true, Json::error_handler_t::replace)};
  }

  std::string record_text() const {
    Record record;
    record.labels = *options_.labels;
    record.origin = origin();
    record.donor_architecture = donor_.architecture();
    const auto* name = donor_.find_key("general.name");
    record.donor_name = name != nullptr ? name->text().value_or("") : "";
    for (std::uint64_t i = 0; i < donor_head_.block_count; ++i) {
      record.donor_blocks.push_back(donor_head_.first_block + i);
      record.head.blocks.push_back(trunk_blocks_ + i);
    }
    record.head.tensor_count = plan_.head_tensors.size();
    record.head.bytes = plan_.head_bytes;
    record.head.digest = head_data_.digest.value_or(Digest{});
    return write_record(record);
  }

  void warn_of_trailing_bytes() {
    if (target_.size > target_.data_end) {
      plan_.warnings.push_back(
          {"trailing-bytes",
           fmt::format("the target has {} bytes after its last tensor; they are not part of the model and "
                       "are dropped",
                       target_.size - target_.data_end)});
    }
  }

  const GgufFile& target_;
  const GgufFile& donor_;
  const HeadData& head_data_;
  const GraftOptions& options_;
  const Head target_head_;
  const Head donor_head_;
  const std::uint64_t trunk_blocks_;
  Plan plan_;
  Json old_keys_;
  std::map<std::string, Bytes> changed_;
  std::vector<std::pair<std::string, Bytes>> appended_;
  std::vector<const TensorInfo*> kept_;
  std::vector<std::uint64_t> kept_offsets_;
  Layout layout_;
};

}  // namespace

Result<Plan> make_graft_plan(const GgufFile& target, const GgufFile& donor, const HeadData& head_data,
                             const GraftOptions& options) {
  return Planner(target, donor, head_data, options).make();
}

}  // namespace mtpgraft
