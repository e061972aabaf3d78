// What ggml reads and mtpgraft refuses, with the reasons: the one list of them. docs/gguf-format.md has it in words.
#pragma once

#include <array>
#include <string_view>

namespace mtpgraft::fuzz {

struct Refusal {
  std::string_view message_part;  // of our message, by which it is known
  std::string_view what;
  std::string_view reason;
};

inline constexpr auto kRefusals = std::to_array<Refusal>({
    {"bytes, outside 1-65535", "a key's name of more than 65,535 bytes", "the specification ends there"},
    {"has a NUL in its name", "a NUL in the name of a key or a tensor",
     "loaders read the name up to it, and may then take it for another"},
    {"key 'general.architecture' has a", "a `general.architecture` with a NUL, or of more than 1,024 bytes",
     "names of keys begin with it: one would be cut, the other leaves no room"},
    {"has an impossible shape", "a dimension of 0, or 2^63 elements and more",
     "llama.cpp b10256 crashes on 0; the number of elements wraps, so that ggml takes too few bytes for enough"},
    {"is impossibly large",
     "a tensor of 2^64 bytes and more, or a row whose elements times the bytes of a block are as many",
     "the product wraps, so that ggml takes too few bytes for enough"},
    {" is out of range (limit ", "more than 65,536 keys or 131,072 tensors",
     "far above any model; ggml compares each name with all others"},
    {"strings (limit", "an array of more than 4,194,304 strings", "far above any vocabulary"},
    {"makes a header of more than", "a header of more than 100 MB", "far above any model"},
    {"of names and short values", "more than 16 MiB of names of keys and of values of at most 64 KiB",
     "far above any model: these are kept in memory"},
});

}  // namespace mtpgraft::fuzz
