// What loads and may still draft badly: nothing here stops a graft unless the user asks for that.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/head.h"

namespace mtpgraft {

// Why no known loader reads the model, whatever its head: tensors that it lacks, and tensors and types that none asks
// for.
std::vector<Warning> find_load_warnings(const GgufFile& model);

// The first tensor of a type that no table names, or that ggml has removed; null if there is none. Forks load types of
// their own, but nobody these.
const TensorInfo* find_unread_tensor(const GgufFile& model);
std::string describe_unread_tensor(const TensorInfo& tensor);

std::vector<Warning> find_warnings(const GgufFile& target, const GgufFile& donor, const Head& donor_head,
                                   const HeadData& head_data);

}  // namespace mtpgraft
