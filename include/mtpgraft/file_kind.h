// Says what a file or a folder is, as far as it concerns somebody who wants to graft a head: the one list of kinds.
#pragma once

#include <string_view>

namespace mtpgraft {

enum class FileKind {
  // GGUF files that can be parsed.
  kModel,           // a language model, with a head or without
  kSidecar,         // a head with the tensors that it shares with its model
  kBorrowing,       // a head that has these lent to it
  kTrimmed,         // a head whose vocabulary is a part of its model's
  kBareHead,        // a head that lacks shared tensors or a model's keys: a donor only
  kDrafter,         // a drafter with blocks of its own (gemma4-assistant, dflash, dspark, eagle3)
  kEmbeddingModel,  // gives vectors, not text
  kShard,           // one file of a split model
  kAdapter,         // a LoRA
  kControlVector,
  kImatrix,     // an importance matrix
  kProjector,   // an mmproj: vision or audio
  kVocabulary,  // a tokenizer without tensors
  kMediaModel,  // makes pictures, films or sound
  kOtherGguf,   // a GGUF that is none of these
  // Files that cannot be parsed as GGUF version 2 or 3.
  kBigEndian,
  kGgufV1,
  kGgufUnknownVersion,
  kCutPart,     // one of the parts that a larger file was cut into
  kUnfinished,  // ends too early, or is what a download has so far
  kEmpty,
  kZeros,  // begins with nothing but zeros
  kGzip,
  kZip,
  kZstd,
  kArchive,  // of another kind: xz, 7z, tar, ...
  kLfsPointer,
  kWebPage,
  kServerReply,  // what a server said instead of the file: "Entry not found", an error in JSON
  kSafetensors,
  kPickle,
  kGgml,  // a format before GGUF: ggml, ggmf, ggjt
  kJson,
  kText,
  kAppleDouble,  // "._NAME": what macOS keeps beside a file on foreign disks
  kUnknownFile,
  // Folders.
  kCheckpoint,     // safetensors
  kGgufFolder,     // GGUF files
  kAdapterFolder,  // PEFT
  kDiffusers,
  kHubCache,      // models--OWNER--NAME
  kPickleFolder,  // pytorch_model.bin
  kEmptyFolder,
  kOtherFolder,
};

// Returns the name in JSON, as docs/json.md lists them: "lora-adapter".
std::string_view file_kind_name(FileKind kind);

}  // namespace mtpgraft
