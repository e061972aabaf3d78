// The options of a graft that a release plan can have.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "mtpgraft/job.h"
#include "release/release_plan.h"

namespace mtpgraft {

// What JSON an option's value is.
enum class OptionKind : std::uint8_t { kText, kTextList, kFlag, kInteger, kNumber };

struct GraftOption {
  std::string_view name;  // in a plan; on the command line it has dashes in the place of underscores
  OptionKind kind;
  RequestField field;  // that errors about its value name
  // Sets it, a list's element by element. `value` is the text after "--name=", empty for a flag.
  Status (*set)(GraftRequest& request, const std::string& value);
};

// The field of a request that the option of that name sets.
RequestField field_of(std::string_view name);

// The option's value with another path in it, if it has one.
std::string with_path(const ReleaseOption& option, const std::function<std::string(const std::string& path)>& change);

// In the order in which they are told.
std::span<const GraftOption> graft_options();

}  // namespace mtpgraft
