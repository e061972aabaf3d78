// The command lines of servers that are measured. All here is pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/bench.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Fails with kUsage for an argument that is set by the measurement itself: the model, where the server listens, what
// drafts.
Status check_server_arguments(const std::vector<std::string>& arguments);

// The depths in the order of the starts: 0, which is without drafting, first and last, so that drift shows.
std::vector<std::uint32_t> start_order(const std::vector<std::uint32_t>& depths);

// The words of `arguments`, which are split at spaces, with the depth for "{n}".
std::vector<std::string> draft_words(std::string_view arguments, std::uint32_t depth);

// In what makes the server draft, this stands for the depth.
inline constexpr std::string_view kDepthMark = "{n}";

// Where a server listens, and the key without which it answers nothing.
struct ServerPlace {
  std::uint16_t port = 0;
  std::string key{};
};

// The arguments behind the program's name. Depth 0 is without drafting.
std::vector<std::string> server_command(const BenchRequest& request, const std::string& model, std::uint32_t depth,
                                        const ServerPlace& place);

// The variables that a server is started with: all but those that llama.cpp would take for options of the kinds that
// check_server_arguments() refuses.
std::vector<std::string> server_environment(std::vector<std::string> variables);

// The names of the devices that `llama-server --list-devices` prints: none beside the CPU, or nothing where it prints
// no list.
std::optional<std::vector<std::string>> parse_devices(std::string_view output);

}  // namespace mtpgraft
