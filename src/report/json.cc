#include "report/json.h"

#include <algorithm>

#include "report/json_parts.h"
#include "report/key_json.h"
#include "report/llama_cpp.h"
#include "report/text.h"
#include "report/words.h"

namespace mtpgraft::report {
namespace {

Json shape_json(const TensorInfo& tensor) {
  return std::vector<std::uint64_t>(tensor.shape.begin(), tensor.shape.begin() + tensor.n_dims);
}

Json head_json(const InspectedFile& inspected) {
  const auto& summary = inspected.summary;
  const auto& claims = inspected.claims;
  const auto& head = summary.head;
  const auto next_step = describe_next_step(summary, inspected.gguf.path, inspected.is_changeable);
  Json json{
      {"state", head_state_name(head.state)},
      {"usable", summary.is_usable},
      {"values_checked", false},
      {"first_block", head.block_count > 0 ? Json(head.first_block) : Json(nullptr)},
      {"blocks", head.block_count},
      {"tensors", head.tensors.size()},
      {"bytes", head.bytes},
      {"types", types_json(summary.head_types)},
      {"problems", head.problems},
      {"verdict", describe_verdict(summary)},
      {"llama_cpp", describe_runtime(summary)},
      {"advice", next_step.empty() ? Json(nullptr) : Json(next_step)},
      {"grafted_from", claims && !claims->labels.donor_file.empty() ? Json(claims->labels.donor_file) : Json(nullptr)}};
  if (claims) {
    add_claims(json, claims->labels, claims->edits);
  }
  if (!summary.dialects.empty()) {
    json["dialects"] = summary.dialects;
  }
  if (summary.borrows_tensors) {
    json["borrows"] = true;
  }
  return json;
}

Json base_model_json(const BaseModel& base) {
  return {{"name", text_or_null(base.name)}, {"organization", text_or_null(base.organization)},
          {"url", text_or_null(base.url)},   {"repository", text_or_null(base.repository)},
          {"is_guessed", base.is_guessed},   {"key", base.key}};
}

Json base_models_json(const std::vector<BaseModel>& bases) {
  auto json = Json::array();
  for (const auto& base : bases) {
    json.push_back(base_model_json(base));
  }
  return json;
}

Json from_base_json(const FromBase& from_base) {
  const auto* const found = from_base.place == FromBase::Place::kBeside     ? "beside"
                            : from_base.place == FromBase::Place::kHubCache ? "hub_cache"
                                                                            : "hub";
  return {{"found", found},
          {"repository", text_or_null(donor_repository(from_base))},
          {"base", base_model_json(from_base.base)}};
}

Json projector_json(const ProjectorFit& fit) {
  const auto& projector = fit.projector;
  return {{"path", projector.path},
          {"projector_type", projector.type.empty() ? Json(nullptr) : Json(projector.type)},
          {"projection_width", optional_json(projector.width)},
          {"embedding_length", optional_json(fit.embedding_length)},
          {"fits", fit.fits ? Json(*fit.fits) : Json(nullptr)},
          {"reason", fit.reason.empty() ? Json(nullptr) : Json(fit.reason)}};
}

Json file_json(const InspectedFile& file) {
  const auto& [gguf, summary, listed_tensors, listed_keys, mmproj, is_checkpoint, notes, claims, changeable, warnings] =
      file;
  Json json{{"path", gguf.path},
            {"format", is_checkpoint ? "safetensors" : "gguf"},
            {"kind", file_kind_name(is_checkpoint ? FileKind::kCheckpoint : summary.recognised.kind)},
            {"size", gguf.size},
            {"gguf_version", gguf.version},
            {"alignment", gguf.alignment},
            {"data_offset", gguf.data_offset},
            {"architecture", summary.architecture.empty() ? Json(nullptr) : Json(summary.architecture)},
            {"name", summary.name.empty() ? Json(nullptr) : Json(summary.name)},
            {"key_count", gguf.keys.size()},
            {"tensor_count", gguf.tensors.size()},
            {"parameters", std::to_string(summary.parameter_count)},
            {"types", types_json(summary.types)},
            {"block_count", optional_json(summary.depth.block_count)},
            {"nextn_predict_layers", optional_json(summary.depth.nextn_predict_layers)},
            {"trunk_blocks", summary.trunk_blocks},
            {"block_pattern", summary.block_pattern.empty() ? Json(nullptr) : Json(summary.block_pattern)},
            {"notes", notes},
            {"warnings", warnings_json(warnings)},
            {"base_models", base_models_json(summary.base_models)},
            {"mtp", head_json(file)}};
  if (mmproj) {
    json["mmproj"] = projector_json(*mmproj);
  }
  if (!listed_keys.empty()) {
    json["keys"] = Json::array();
    for (const auto index : listed_keys) {
      json["keys"].push_back(key_json(gguf.keys[index]));
    }
  }
  if (gguf.is_split()) {
    json["files"] = Json::array();
    for (const auto& shard : gguf.files) {
      json["files"].push_back({{"path", shard.path}, {"size", shard.size}, {"tensor_count", shard.tensor_count}});
    }
  }
  if (!listed_tensors.empty()) {
    json["tensors"] = Json::array();
    for (const auto index : listed_tensors) {
      const auto& tensor = gguf.tensors[index];
      const auto& holder = gguf.file_at(tensor.info_offset);
      json["tensors"].push_back({{"name", tensor.name},
                                 {"type", tensor_type_name(tensor.type)},
                                 {"type_id", tensor.type},
                                 {"shape", shape_json(tensor)},
                                 {"offset", tensor.offset - holder.offset},
                                 {"bytes", tensor.size_bytes}});
      if (gguf.is_split()) {
        json["tensors"].back()["path"] = holder.path;
      }
    }
  }
  return json;
}

void add_file_plan(Json& result, const Plan& plan, const Output& writing) {
  result["output"] = writing.path;
  result["output_size"] = plan.output_size();
  result["outputs"] = Json::array();
  for (const auto& file : writing.files) {
    result["outputs"].push_back({{"path", file.path}, {"way", way_name(file.way)}, {"bytes", file.bytes}});
  }
  result["needed_bytes"] = writing.needed_bytes;
  result["free_bytes"] = writing.free_bytes == kUnknownFreeBytes ? Json() : Json(writing.free_bytes);
  result["data_offset"] = plan.files.front().data_offset;
  result["tensor_count"] = plan.tensor_count();
}

void add_writing(Json& result, const Output& writing) {
  result["in_place"] = !writing.in_place                            ? Json(nullptr)
                       : *writing.in_place == InPlaceMethod::kClone ? Json("clone")
                                                                    : Json("insert");
  result["bytes_cloned"] = writing.totals.cloned;
  result["bytes_kept"] = writing.totals.kept;
  result["bytes_linked"] = writing.totals.linked;
  result["bytes_copied"] = writing.totals.copied;
  result["bytes_allocated"] = writing.totals.allocated;
  result["seconds"] = writing.seconds ? Json(*writing.seconds) : Json(nullptr);
}

Json fetch_json(const std::optional<Fetch>& fetch) {
  if (!fetch) {
    return nullptr;
  }
  auto files = Json::array();
  for (const auto& file : fetch->files) {
    auto ranges = Json::array();
    for (const auto& [offset, length] : file.ranges) {
      ranges.push_back({{"offset", offset}, {"bytes", length}});
    }
    files.push_back({{"path", file.path},
                     {"size", file.file_bytes},
                     {"ranges", std::move(ranges)},
                     {"cached_bytes", file.cached_bytes},
                     {"sha256", file.sha256.empty() ? Json(nullptr) : Json(file.sha256)}});
  }
  return {{"files", std::move(files)},
          {"received_bytes", fetch->received_bytes},
          {"repository_bytes", optional_json(fetch->repository_bytes)}};
}

Json head_plan_json(const Plan& plan) {
  return {{"first_block", plan.first_head_block}, {"blocks", plan.head_block_count}, {"bytes", plan.head_bytes}};
}

Json head_tensors_json(const Plan& plan) {
  auto json = Json::array();
  for (const auto& head : plan.head_tensors) {
    json.push_back({{"name", head.name},
                    {"donor_name", head.donor_name},
                    {"type", tensor_type_name(head.info.type)},
                    {"donor_type", tensor_type_name(head.donor_type)},
                    {"shape", shape_json(head.info)},
                    {"offset", head.info.offset},
                    {"bytes", head.info.size_bytes}});
  }
  return json;
}

}  // namespace

std::string error_to_json(const Error& error, std::string_view command) {
  auto json = envelope(command, false);
  json["error"] = error_json(error);
  return dump(json);
}

std::string inspected_to_json(const std::vector<InspectedFile>& files, const std::vector<FailedFile>& failed) {
  auto json = envelope("inspect", failed.empty() && std::ranges::none_of(files, &InspectedFile::is_misfit));
  auto& list = json["result"]["files"] = Json::array();
  for (const auto& file : files) {
    list.push_back(file_json(file));
  }
  if (!failed.empty()) {
    json["error"] = error_json(failed.front().error);
    auto& errors = json["result"]["failed"] = Json::array();
    for (const auto& file : failed) {
      errors.push_back({{"path", file.path}, {"error", error_json(file.error)}});
    }
  }
  return dump(json);
}

Json quantisation_json(const std::optional<HeadQuantisation>& quantisation) {
  return !quantisation ? Json(nullptr)
                       : Json{{"declared", text_or_null(quantisation->declared)},
                              {"schemes", quantisation->schemes},
                              {"quantised_tensors", quantisation->quantised_count},
                              {"tensors", quantisation->tensor_count}};
}

std::string graft_to_json(const GraftRequest& request, const Job& job) {
  const auto& plan = job.plan;
  auto json = envelope("graft", true);
  auto& result = json["result"];
  result["dry_run"] = !job.output.seconds;
  result["target"] = request.target;
  result["donor"] = job.from_base ? job.from_base->path : request.donor.path;
  result["donor_commit"] = text_or_null(job.donor->labels.donor_commit);
  if (job.from_base) {
    result["from_base"] = from_base_json(*job.from_base);
  }
  result["donor_notes"] = job.donor->notes;
  result["donor_quantisation"] = quantisation_json(job.donor->quantisation);
  result["fetch"] = fetch_json(job.fetch);
  add_file_plan(result, plan, job.output);
  result["head"] = head_plan_json(plan);
  result["values_checked"] = job.head_digest.has_value();
  result["source_digests"] = job.source_digests ? digests_json(*job.source_digests) : Json(nullptr);
  result["keys"] = changes_json(plan.key_changes);
  result["tensors"] = head_tensors_json(plan);
  result["removed_tensors"] = plan.removed_tensors;
  result["warnings"] = warnings_json(job.warnings);
  add_writing(result, job.output);
  return dump(json);
}

std::string extract_to_json(const ExtractRequest& request, const Job& job) {
  const auto& plan = job.plan;
  auto json = envelope("extract", true);
  auto& result = json["result"];
  result["dry_run"] = !job.output.seconds;
  result["donor"] = request.donor.path;
  result["donor_commit"] = text_or_null(job.donor->labels.donor_commit);
  result["donor_notes"] = job.donor->notes;
  result["donor_quantisation"] = quantisation_json(job.donor->quantisation);
  result["fetch"] = fetch_json(job.fetch);
  result["form"] = form_name(job.extract_form.value_or(request.form));
  add_file_plan(result, plan, job.output);
  result["head"] = head_plan_json(plan);
  result["values_checked"] = job.head_digest.has_value();
  result["keys"] = changes_json(plan.key_changes);
  result["tensors"] = head_tensors_json(plan);
  result["warnings"] = warnings_json(job.warnings);
  add_writing(result, job.output);
  return dump(json);
}

std::string strip_to_json(const StripRequest& request, const Job& job) {
  const auto& plan = job.plan;
  auto json = envelope("strip", true);
  auto& result = json["result"];
  result["dry_run"] = !job.output.seconds;
  result["file"] = request.file;
  add_file_plan(result, plan, job.output);
  result["original"] = plan.original ? Json(plan.original->file) : Json(nullptr);
  result["restores_original"] = job.restores_original;
  result["data_checked"] = false;
  result["keys"] = changes_json(plan.key_changes);
  result["removed_tensors"] = plan.removed_tensors;
  result["removed_bytes"] = plan.removed_bytes;
  result["warnings"] = warnings_json(job.warnings);
  add_writing(result, job.output);
  return dump(json);
}

std::string recovery_to_json(const std::string& path, Recovery recovery) {
  auto json = envelope("recover", true);
  json["result"] = {{"path", path},
                    {"outcome", recovery == Recovery::kRolledBack  ? "rolled_back"
                                : recovery == Recovery::kCompleted ? "completed"
                                                                   : "nothing_to_do"}};
  return dump(json);
}

std::string cache_to_json(const CacheReport& report) {
  auto json = envelope("cache", true);
  auto& result = json["result"];
  result["directory"] = report.directory;
  result["files"] = Json::array();
  for (const auto& entry : report.entries) {
    const bool is_known = !entry.url.empty();
    result["files"].push_back({{"url", is_known ? Json(entry.url) : Json(nullptr)},
                               {"size", is_known ? Json(entry.size) : Json(nullptr)},
                               {"stored_bytes", entry.stored_bytes},
                               {"parts", entry.part_count},
                               {"last_used", entry.used_s}});
  }
  result["freed_bytes"] = optional_json(report.freed_bytes);
  return dump(json);
}

std::string checksums_to_json(const std::string& path, DigestAlgorithm algorithm,
                              const std::vector<Checksum>& checksums) {
  auto json = envelope("checksum", true);
  auto& result = json["result"];
  result["path"] = path;
  result["algorithm"] = tag_of(algorithm);
  result["checksums"] = Json::array();
  for (const auto& checksum : checksums) {
    result["checksums"].push_back({{"name", checksum.name}, {"digest", checksum.hex}});
  }
  return dump(json);
}

}  // namespace mtpgraft::report
