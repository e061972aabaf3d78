// The keys that llama.cpp wants of a model whose file has a fork's, or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mtpgraft/gguf.h"

namespace mtpgraft {

// A key that no file has, without an offset.
KeyValue made_key(std::string key, GgufValue value);

// The file with the architecture that its own is called after, as qwen35 for qwen35_mtp, and keys named after it.
// Nothing if its own is in the table, or the other is not.
std::optional<GgufFile> without_mtp_suffix(const GgufFile& file);

// Makes the keys declare a head, of which they say nothing. Does nothing without a block_count.
void declare_head(std::uint64_t first_block, std::uint64_t block_count, GgufFile& file);

}  // namespace mtpgraft
