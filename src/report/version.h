// What --version prints, which is what a bug report should have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft::report {

struct BuildFacts {
  std::string_view version;
  std::string_view commit;
  std::string_view compiler;
  std::string_view libraries;  // those that the program is linked with
  std::vector<std::string_view> features;
};

std::string describe_version(const BuildFacts& facts);

// Loads libcurl, whose version it tells.
std::string version_to_json(const BuildFacts& facts);

}  // namespace mtpgraft::report
