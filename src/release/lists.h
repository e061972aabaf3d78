// The lists that a release writes beside its outputs.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/release.h"

namespace mtpgraft {

// The contents of release.json and of SHA256SUMS.
std::string make_release_file(const std::vector<ReleasedGraft>& grafts, std::string_view version);
std::string make_sha256_file(const std::vector<ReleasedGraft>& grafts);

// Of an old one of these files: whether it is one, and the names that it lists; nothing if it is something else.
bool is_release_file(std::string_view text);
std::optional<std::vector<std::string>> names_in_sha256_file(std::string_view text);

// What JSON calls the head of a graft.
nlohmann::ordered_json released_head_json(const ReleasedGraft& graft);

}  // namespace mtpgraft
