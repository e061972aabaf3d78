// What is told of how a checkpoint's head is quantised.
#pragma once

#include <string>
#include <vector>

#include "donor/quantisation_config.h"
#include "donor/stored_tensor.h"
#include "mtpgraft/donor.h"

namespace mtpgraft {

void count_tensor(const StoredTensor& tensor, const QuantisationConfig& config, HeadQuantisation& counted);

// Says what the matrices were before, or that those of a quantised model were not touched.
void note_quantisation(const HeadQuantisation& found, std::vector<std::string>& notes);

}  // namespace mtpgraft
