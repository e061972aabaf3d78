#pragma once

#include <string>
#include <string_view>

namespace mtpgraft {

// "OWNER/NAME" of the first base model that a README.md of the Hugging Face Hub names in its front matter; empty if
// none.
std::string base_model_of_card(std::string_view text);

}  // namespace mtpgraft
