// What --version prints, which is what a bug report should have.
#pragma once

#include <string>

namespace mtpgraft::cli {

std::string version_text();

}  // namespace mtpgraft::cli
