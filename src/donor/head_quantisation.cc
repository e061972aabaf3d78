#include "donor/head_quantisation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mtpgraft {

void count_tensor(const StoredTensor& tensor, const QuantisationConfig& config, HeadQuantisation& counted) {
  ++counted.tensor_count;
  if (!tensor.is_quantised()) {
    return;
  }
  ++counted.quantised_count;
  auto scheme = describe_scheme(tensor, config);
  if (std::ranges::find(counted.schemes, scheme) == counted.schemes.end()) {
    counted.schemes.push_back(std::move(scheme));
  }
}

void note_quantisation(const HeadQuantisation& found, std::vector<std::string>& notes) {
  if (found.quantised_count > 0) {
    notes.push_back(fmt::format("the head was dequantised from {}: {} of {} tensors", fmt::join(found.schemes, " and "),
                                found.quantised_count, found.tensor_count));
  } else if (!found.earlier.empty()) {
    notes.push_back(
        fmt::format("the head was dequantised from {} before it was written here", fmt::join(found.earlier, " and ")));
  } else if (!found.declared.empty()) {
    notes.push_back(
        fmt::format("the checkpoint is quantised ({}), its head is not: nothing of it is lost", found.declared));
  }
}

}  // namespace mtpgraft
