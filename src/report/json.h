// The JSON objects that docs/json.md promises, one line each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/job.h"
#include "mtpgraft/result.h"
#include "report/model.h"

namespace mtpgraft::report {

std::string error_to_json(const Error& error, std::string_view command);

struct FailedFile {
  std::string path;
  Error error;
};

std::string inspected_to_json(const std::vector<InspectedFile>& files, const std::vector<FailedFile>& failed);
std::string graft_to_json(const GraftRequest& request, const Job& job);
std::string extract_to_json(const ExtractRequest& request, const Job& job);
std::string strip_to_json(const StripRequest& request, const Job& job);
std::string verification_to_json(const std::string& path, const VerifyReport& report);
std::string recovery_to_json(const std::string& path, Recovery recovery);
std::string cache_to_json(const CacheReport& report);
std::string check_to_json(const std::string& path, const std::string& list_path, const ListReport& report);
std::string checksums_to_json(const std::string& path, DigestAlgorithm algorithm,
                              const std::vector<Checksum>& checksums);

}  // namespace mtpgraft::report
