// One function per subcommand. Each prints its answer and returns the exit code, or an error for the caller to report.
#pragma once

#include "cli/options.h"
#include "mtpgraft/file.h"

namespace mtpgraft::cli {

Result<int> run_inspect(const InspectOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_graft(const GraftCommandOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_extract(const ExtractOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_strip(const StripCommandOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_verify(const VerifyOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_checksum(const ChecksumOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_release(const ReleaseOptions& options, const OutputOptions& output, FileSystem& files);
Result<int> run_cache(const CacheOptions& options, const OutputOptions& output);
Result<int> run_completion(const CompletionOptions& options);
Result<int> run_recover(const RecoverOptions& options, const OutputOptions& output, FileSystem& files);

}  // namespace mtpgraft::cli
