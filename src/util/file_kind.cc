#include "mtpgraft/file_kind.h"

#include <algorithm>
#include <array>

namespace mtpgraft {
namespace {

struct KindName {
  FileKind kind;
  std::string_view name;
};

constexpr auto kNames = std::to_array<KindName>({
    {FileKind::kModel, "model"},
    {FileKind::kSidecar, "sidecar"},
    {FileKind::kBorrowing, "borrowing-sidecar"},
    {FileKind::kTrimmed, "trimmed-sidecar"},
    {FileKind::kBareHead, "bare-head"},
    {FileKind::kDrafter, "drafter"},
    {FileKind::kEmbeddingModel, "embedding-model"},
    {FileKind::kShard, "shard"},
    {FileKind::kAdapter, "lora-adapter"},
    {FileKind::kControlVector, "control-vector"},
    {FileKind::kImatrix, "imatrix"},
    {FileKind::kProjector, "mmproj"},
    {FileKind::kVocabulary, "vocabulary"},
    {FileKind::kMediaModel, "media-model"},
    {FileKind::kOtherGguf, "other-gguf"},
    {FileKind::kBigEndian, "big-endian"},
    {FileKind::kGgufV1, "gguf-v1"},
    {FileKind::kGgufUnknownVersion, "gguf-unknown-version"},
    {FileKind::kCutPart, "cut-part"},
    {FileKind::kUnfinished, "unfinished"},
    {FileKind::kEmpty, "empty"},
    {FileKind::kZeros, "zeros"},
    {FileKind::kGzip, "gzip"},
    {FileKind::kZip, "zip"},
    {FileKind::kZstd, "zstd"},
    {FileKind::kArchive, "archive"},
    {FileKind::kLfsPointer, "lfs-pointer"},
    {FileKind::kWebPage, "web-page"},
    {FileKind::kServerReply, "server-reply"},
    {FileKind::kSafetensors, "safetensors"},
    {FileKind::kPickle, "pickle"},
    {FileKind::kGgml, "ggml"},
    {FileKind::kJson, "json"},
    {FileKind::kText, "text"},
    {FileKind::kAppleDouble, "apple-double"},
    {FileKind::kUnknownFile, "unknown"},
    {FileKind::kCheckpoint, "checkpoint"},
    {FileKind::kGgufFolder, "gguf-folder"},
    {FileKind::kAdapterFolder, "peft-folder"},
    {FileKind::kDiffusers, "diffusers-folder"},
    {FileKind::kHubCache, "hub-cache"},
    {FileKind::kPickleFolder, "pickle-folder"},
    {FileKind::kEmptyFolder, "empty-folder"},
    {FileKind::kOtherFolder, "folder"},
});

}  // namespace

std::string_view file_kind_name(FileKind kind) { return std::ranges::find(kNames, kind, &KindName::kind)->name; }

}  // namespace mtpgraft
