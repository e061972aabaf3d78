#include "bench/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "util/lines.h"

namespace mtpgraft {
namespace {

// Options of llama-server that a measurement sets, and why they cannot be given.
struct OwnOption {
  std::string_view name;
  std::string_view reason;
  Remedy remedy = Remedy::kNone;
};

constexpr std::string_view kModel = "it names a model";
constexpr std::string_view kDraftModel = "it names a model that drafts";
constexpr std::string_view kDrafts = "it changes what drafts, or how";
constexpr std::string_view kPlace = "the server listens at a free port of this machine, for this measurement only";

constexpr auto kOwnOptions = std::to_array<OwnOption>({
    {"-m", kModel, Remedy::kBenchModel},
    {"--model", kModel, Remedy::kBenchModel},
    {"-mu", kModel, Remedy::kBenchModel},
    {"--model-url", kModel, Remedy::kBenchModel},
    {"-hf", kModel, Remedy::kBenchModel},
    {"-hfr", kModel, Remedy::kBenchModel},
    {"--hf-repo", kModel, Remedy::kBenchModel},
    {"-hff", kModel, Remedy::kBenchModel},
    {"--hf-file", kModel, Remedy::kBenchModel},
    {"-dr", kModel, Remedy::kBenchModel},
    {"--docker-repo", kModel, Remedy::kBenchModel},
    {"--models-dir", kModel, Remedy::kBenchModel},
    {"--models-preset", kModel, Remedy::kBenchModel},
    {"-lcs", kDrafts, Remedy::kBenchDrafts},
    {"-lcd", kDrafts, Remedy::kBenchDrafts},
    {"--lookup-cache-static", kDrafts, Remedy::kBenchDrafts},
    {"--lookup-cache-dynamic", kDrafts, Remedy::kBenchDrafts},
    {"-ngld", kDrafts, Remedy::kBenchDrafts},
    {"-devd", kDrafts, Remedy::kBenchDrafts},
    {"-td", kDrafts, Remedy::kBenchDrafts},
    {"-tbd", kDrafts, Remedy::kBenchDrafts},
    {"-ctkd", kDrafts, Remedy::kBenchDrafts},
    {"-ctvd", kDrafts, Remedy::kBenchDrafts},
    {"-otd", kDrafts, Remedy::kBenchDrafts},
    {"-cmoed", kDrafts, Remedy::kBenchDrafts},
    {"-ncmoed", kDrafts, Remedy::kBenchDrafts},
    {"-md", kDraftModel, Remedy::kBenchSidecar},
    {"--model-draft", kDraftModel, Remedy::kBenchSidecar},
    {"-hfd", kDraftModel, Remedy::kBenchSidecar},
    {"-hfrd", kDraftModel, Remedy::kBenchSidecar},
    {"--hf-repo-draft", kDraftModel, Remedy::kBenchSidecar},
    {"--host", kPlace},
    {"--port", kPlace},
    {"--reuse-port", kPlace},
    {"--api-prefix", kPlace},
    {"--api-key", kPlace},
    {"--api-key-file", kPlace},
    {"--ssl-key-file", kPlace},
    {"--ssl-cert-file", kPlace},
    {"-np", "one request at a time is measured"},
    {"--parallel", "one request at a time is measured"},
    {"--metrics", "the server is always started with it"},
});

// Variables that stand for options of these kinds.
constexpr auto kOwnVariables = std::to_array<std::string_view>(
    {"LLAMA_ARG_MODEL", "LLAMA_ARG_MODEL_URL", "LLAMA_ARG_HF_REPO", "LLAMA_ARG_HF_FILE", "LLAMA_ARG_DOCKER_REPO",
     "LLAMA_ARG_MODELS_DIR", "LLAMA_ARG_MODELS_PRESET", "LLAMA_ARG_HOST", "LLAMA_ARG_PORT", "LLAMA_ARG_REUSE_PORT",
     "LLAMA_ARG_API_PREFIX", "LLAMA_ARG_SSL_KEY_FILE", "LLAMA_ARG_SSL_CERT_FILE", "LLAMA_API_KEY", "LLAMA_ARG_API_KEY",
     "LLAMA_ARG_N_PARALLEL", "LLAMA_ARG_ENDPOINT_METRICS"});

constexpr std::string_view kDeviceHeading = "Available devices:";

bool is_own_variable(std::string_view variable) {
  const auto name = variable.substr(0, variable.find('='));
  const bool drafts = name.find("SPEC") != std::string_view::npos || name.find("DRAFT") != std::string_view::npos;
  return name.starts_with("LLAMA_") && (drafts || std::ranges::find(kOwnVariables, name) != kOwnVariables.end());
}

// What drafts, and how: the words that a user gives too.
std::vector<std::string> drafting_words(const BenchRequest& request, std::uint32_t depth) {
  auto words = draft_words(request.draft_arguments, depth);
  if (!request.model_draft.empty()) {
    words.insert(words.begin(), {"-md", request.model_draft});
  }
  return words;
}

}  // namespace

Status check_server_arguments(const std::vector<std::string>& arguments) {
  for (const auto& argument : arguments) {
    const auto name = std::string_view(argument).substr(0, argument.find('='));
    const auto* const found = std::ranges::find(kOwnOptions, name, &OwnOption::name);
    const bool drafts = name.starts_with("--spec-") || name.starts_with("--draft") || name.ends_with("-draft");
    const bool is_preset = name.starts_with("--fim-") || (name.starts_with("--") && name.ends_with("-default"));
    if (found != kOwnOptions.end() || drafts || is_preset) {
      const auto own = found != kOwnOptions.end() ? *found
                       : drafts                   ? OwnOption{name, kDrafts, Remedy::kBenchDrafts}
                                                  : OwnOption{name, kModel, Remedy::kBenchModel};
      return Error{.code = ErrorCode::kUsage,
                   .message = fmt::format("{} cannot be given to the server: {}", name, own.reason),
                   .remedy = own.remedy};
    }
  }
  return ok_status();
}

std::vector<std::uint32_t> start_order(const std::vector<std::uint32_t>& depths) {
  std::vector<std::uint32_t> order{0};
  order.insert(order.end(), depths.begin(), depths.end());
  order.push_back(0);
  return order;
}

std::vector<std::string> draft_words(std::string_view arguments, std::uint32_t depth) {
  std::vector<std::string> words;
  while (!arguments.empty()) {
    const auto space = std::min(arguments.find(' '), arguments.size());
    if (space > 0) {
      auto& word = words.emplace_back(arguments.substr(0, space));
      for (auto mark = word.find(kDepthMark); mark != std::string::npos; mark = word.find(kDepthMark)) {
        word.replace(mark, kDepthMark.size(), fmt::format("{}", depth));
      }
    }
    arguments.remove_prefix(std::min(space + 1, arguments.size()));
  }
  return words;
}

std::vector<std::string> server_command(const BenchRequest& request, const std::string& model, std::uint32_t depth,
                                        const ServerPlace& place) {
  std::vector<std::string> command{
      "-m",        model,     "--host", "127.0.0.1", "--port",   fmt::format("{}", place.port),
      "--api-key", place.key, "-np",    "1",         "--metrics"};
  command.insert(command.end(), request.server_arguments.begin(), request.server_arguments.end());
  if (depth > 0) {
    const auto words = drafting_words(request, depth);
    command.insert(command.end(), words.begin(), words.end());
  }
  return command;
}

std::vector<std::string> server_environment(std::vector<std::string> variables) {
  std::erase_if(variables, is_own_variable);
  return variables;
}

std::optional<std::vector<std::string>> parse_devices(std::string_view output) {
  std::optional<std::vector<std::string>> devices;
  for (const auto line : lines_of(output)) {
    const auto colon = line.find(": ");
    if (line.starts_with(kDeviceHeading)) {
      devices.emplace();
    } else if (devices && line.starts_with("  ") && colon != std::string_view::npos) {
      // "  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)"
      const auto name = line.substr(colon + 2);
      devices->emplace_back(name.substr(0, name.rfind(" (")));
    }
  }
  return devices;
}

std::vector<std::string> run_command(const BenchRequest& request, const std::string& model, std::uint32_t depth) {
  std::vector<std::string> command{"llama-server", "-m", model};
  command.insert(command.end(), request.server_arguments.begin(), request.server_arguments.end());
  const auto words = drafting_words(request, depth);
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

}  // namespace mtpgraft
