// The lists that a release writes beside its outputs.
#pragma once

#include <cstdint>
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

// Whether a text is an old release.json; the names that an old SHA256SUMS lists, or nothing if it is something else.
bool is_release_file(std::string_view text);
std::optional<std::vector<std::string>> names_in_sha256_file(std::string_view text);

// What real lists do not come near.
inline constexpr std::uint64_t kListBytesMax = std::uint64_t{64} << 20;

// A list that is as it should be is left alone; any other is replaced.
Status write_list(FileSystem& files, const std::string& path, std::string_view text, Permissions permissions,
                  Durability durability);

// What JSON calls the head of a graft.
nlohmann::ordered_json released_head_json(const ReleasedGraft& graft);

}  // namespace mtpgraft
