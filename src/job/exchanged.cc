// Names of a graft, its target and its donor that were given in each other's places.
#include "job/exchanged.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "mtpgraft/header_digest.h"
#include "mtpgraft/job.h"
#include "mtpgraft/split.h"
#include "plan/record.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

// What a file can be, as its header tells.
struct Part {
  std::string path;
  bool has_trunk = false;
  bool has_head = true;
  std::uint64_t size = 0;
  std::uint64_t tensor_count = 0;
  std::optional<Digest> header{};
  std::optional<Record> record{};  // of a graft
};

// Nothing if it cannot be opened or is damaged, which verify() tells. What is no GGUF on this machine can only be a
// donor.
Result<std::optional<Part>> look_at(const std::string& path, const Context& context) {
  Part part{.path = path};
  if (path.empty()) {
    return std::optional<Part>();
  }
  if (is_remote(path) || is_checkpoint(path, context.files)) {
    return std::optional(part);
  }
  const auto model = open_donor_model(context.files, path);
  if (!model.ok()) {
    const auto& error = model.error();
    const bool is_read_failure = error.code == ErrorCode::kIo && error.offset;
    return is_read_failure ? Result<std::optional<Part>>(error) : std::optional<Part>();
  }
  const auto& gguf = model.value().gguf;
  const auto state = find_head(gguf).state;
  part.has_trunk = state == HeadState::kNone || state == HeadState::kPresent || state == HeadState::kPlaceholder;
  part.has_head = state != HeadState::kNone && state != HeadState::kPlaceholder;
  part.size = gguf.size;
  part.tensor_count = gguf.tensors.size();
  part.record = find_record(gguf);
  MTPGRAFT_TRY(const auto header, read_target_header(*model.value().file, gguf));
  part.header = header.digest;
  return std::optional(part);
}

// `target` is what the record of `graft` says that it was made of.
bool is_made_of(const Part& graft, const Part& target) {
  const auto& origin = graft.record->origin;
  if (target.record) {
    return target.record->origin.size == origin.size && target.record->origin.header_digest == origin.header_digest;
  }
  return origin.header_digest ? origin.header_digest == target.header
                              : origin.size == target.size && origin.tensor_count == target.tensor_count;
}

bool can_be(const Part& graft, const Part& target, const Part& donor) {
  return graft.has_trunk && graft.has_head && target.has_trunk && donor.has_head;
}

// A graft without a record, which anything can be, is none that somebody meant.
bool is_recorded(const Part& graft, const Part& target) { return graft.record && is_made_of(graft, target); }

}  // namespace

Error explain_exchange(Error error, const GraftRequest& request, const Context& context) {
  if (error.code == ErrorCode::kInterrupted || error.code == ErrorCode::kRefused || error.code == ErrorCode::kUsage) {
    return error;
  }
  const auto target = look_at(request.target, context);
  const auto donor = look_at(request.donor.path, context);
  if (!target.ok() || !donor.ok() || !target.value() || !donor.value()) {
    return error;
  }
  const bool is_possible = target.value()->has_trunk && donor.value()->has_head;
  if (!is_possible && donor.value()->has_trunk && target.value()->has_head) {
    error.hint = "the model comes first, the head's donor second";
    if (!has_secret(request.target)) {
      error.hint += fmt::format(": {} {}", shell_quoted(request.donor.path), shell_quoted(request.target));
    }
    error.remedy = Remedy::kNone;
  }
  return error;
}

Result<std::optional<ExchangedNames>> find_exchanged(const VerifyRequest& request, const Context& context) {
  const std::optional<ExchangedNames> nothing;
  std::vector<Part> parts;
  for (const auto* path : {&request.file, &request.target, &request.donor.path}) {
    MTPGRAFT_TRY(auto part, look_at(*path, context));
    if (!part) {
      return nothing;
    }
    parts.push_back(std::move(*part));
  }
  const auto& graft = parts[0];
  const auto& target = parts[1];
  const auto& donor = parts[2];
  const bool is_possible = can_be(graft, target, donor);
  if (is_possible && (graft.record ? is_made_of(graft, target) : !target.record && !donor.record)) {
    return nothing;
  }
  std::array<std::size_t, 3> order{0, 1, 2};
  std::optional<std::array<std::size_t, 3>> found;
  while (std::ranges::next_permutation(order).found) {
    // A graft that could be meant is looked at, and nothing else in its place.
    if (is_possible && graft.record && order[0] != 0) {
      continue;
    }
    const auto& as_graft = parts[order[0]];
    const auto& as_target = parts[order[1]];
    const auto& as_donor = parts[order[2]];
    if (!can_be(as_graft, as_target, as_donor) || (is_possible && !is_recorded(as_graft, as_target))) {
      continue;
    }
    if (is_recorded(as_graft, as_target)) {
      found = order;
      break;
    }
    if (!as_graft.record && !found) {
      found = order;
    }
  }
  if (!found) {
    return nothing;
  }
  ExchangedNames names{request, !is_possible || graft.record};
  names.right.file = parts[(*found)[0]].path;
  names.right.target = parts[(*found)[1]].path;
  names.right.donor.path = parts[(*found)[2]].path;
  return std::optional(names);
}

}  // namespace mtpgraft
