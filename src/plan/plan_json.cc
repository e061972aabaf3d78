#include "plan/plan_json.h"

namespace mtpgraft {

Json types_json(const std::vector<TypeShare>& shares) {
  auto json = Json::array();
  for (const auto& share : shares) {
    json.push_back({{"type", share.type}, {"tensors", share.tensor_count}, {"bytes", share.bytes}});
  }
  return json;
}

Json changes_json(const std::vector<KeyChange>& changes) {
  auto json = Json::array();
  for (const auto& change : changes) {
    json.push_back({{"key", change.key},
                    {"type", change.type},
                    {"from", change.from.empty() ? Json(nullptr) : Json(change.from)},
                    {"to", change.to}});
  }
  return json;
}

Json warnings_json(const std::vector<Warning>& warnings) {
  auto json = Json::array();
  for (const auto& warning : warnings) {
    json.push_back({{"id", warning.id}, {"message", warning.message}});
  }
  return json;
}

}  // namespace mtpgraft
