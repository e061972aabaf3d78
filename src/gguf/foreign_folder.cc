#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "gguf/cut_name.h"
#include "gguf/foreign.h"
#include "mtpgraft/split.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view kHubPrefix = "models--";

constexpr auto kNameAFile = "name a .gguf file; a donor can be a .safetensors file, or the folder of a checkpoint, too";

bool has(const Names& names, std::string_view name) { return std::ranges::binary_search(names, name); }

bool ends_with(std::string_view name, std::string_view ending) { return lowered(name).ends_with(ending); }

std::string inside(const std::string& folder, std::string_view name) {
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", name);
}

Names list(const std::string& path, const FileSource& files) {
  auto names = files.list_folder(path);
  if (!names.ok()) {
    return {};
  }
  std::ranges::sort(names.value());
  return std::move(names).value();
}

// Of a split model the first file alone: it is named for all of them.
Names models_in(const std::string& folder, const Names& names) {
  Names models;
  for (const auto& name : names) {
    if (ends_with(name, ".gguf") && !name.starts_with("._") && !is_later_shard(name)) {
      models.push_back(inside(folder, name));
    }
  }
  return models;
}

std::string list_paths(Names paths) {
  std::ranges::transform(paths, paths.begin(), [](const auto& path) { return shell_quoted(path); });
  return list_some(paths, ", ");
}

Error refuse(FileKind kind, const std::string& path, std::string what, std::string advice) {
  return {.code = ErrorCode::kIo,
          .message = "is " + std::move(what),
          .path = path,
          .hint = std::move(advice),
          .file_kind = kind};
}

// "models--OWNER--NAME" has what was downloaded below snapshots/COMMIT/.
Error refuse_hub_cache(const std::string& path, const FileSource& files) {
  Names models;
  Names checkpoints;
  const auto snapshots = inside(path, "snapshots");
  for (const auto& commit : list(snapshots, files)) {
    const auto folder = inside(snapshots, commit);
    const auto names = list(folder, files);
    std::ranges::move(models_in(folder, names), std::back_inserter(models));
    if (std::ranges::any_of(names, [](const auto& name) { return ends_with(name, ".safetensors"); })) {
      checkpoints.push_back(folder);
    }
  }
  return refuse(FileKind::kHubCache, path, "a repository in the cache of the Hugging Face Hub",
                !models.empty() ? "name the model in it: " + list_paths(models)
                : !checkpoints.empty()
                    ? "as a donor, and for inspect, name the checkpoint in it: " + list_paths(checkpoints)
                    : "it has no GGUF file that is complete");
}

// Its folder "models", or "blobs" in it.
bool is_of_ollama(const Names& names) {
  constexpr std::string_view kBlob = "sha256-";
  constexpr std::size_t kDigits = 64;
  return (has(names, "blobs") && has(names, "manifests")) || std::ranges::any_of(names, [&](const auto& name) {
           return name.starts_with(kBlob) && name.size() == kBlob.size() + kDigits && is_hex(name.substr(kBlob.size()));
         });
}

// By what tells, the surest first.
Error refuse_without_models(const std::string& path, const Names& names) {
  const auto any_ends = [&](std::string_view ending) {
    return std::ranges::any_of(names, [&](const auto& name) { return ends_with(name, ending); });
  };
  if (has(names, "adapter_config.json")) {
    return refuse(FileKind::kAdapterFolder, path, "a folder with a LoRA adapter (PEFT)", kAdapterAdvice);
  }
  if (has(names, "model_index.json")) {
    return refuse(FileKind::kDiffusers, path, "a folder of diffusers, which make pictures",
                  "such models have no MTP head; name a language model");
  }
  if (any_ends(".safetensors") || any_ends(".safetensors.index.json")) {
    return refuse(FileKind::kCheckpoint, path, "a checkpoint, a folder of safetensors",
                  fmt::format("a checkpoint can only be a donor, and be inspected; llama.cpp's convert_hf_to_gguf.py "
                              "{} makes a GGUF of it, with its own head if it has one",
                              shell_quoted(path)));
  }
  if (has(names, "config.json") && !any_ends(".bin")) {
    return refuse(FileKind::kOtherFolder, path, "a checkpoint's folder without its tensors",
                  "download its .safetensors files, too");
  }
  if (any_ends(".bin") || any_ends(".pth") || any_ends(".pt")) {
    return refuse(FileKind::kPickleFolder, path, "a checkpoint of pickles, as PyTorch writes them",
                  fmt::format("llama.cpp's convert_hf_to_gguf.py {} makes a GGUF of it", shell_quoted(path)));
  }
  if (is_of_ollama(names)) {
    return refuse(FileKind::kOtherFolder, path, "a folder of Ollama, where models have digests for names",
                  "'ollama show --modelfile' and the model's name print the path of its file, after FROM");
  }
  Names caches;
  for (const auto& name : names) {
    if (name.starts_with(kHubPrefix)) {
      caches.push_back(inside(path, name));
    }
  }
  if (!caches.empty()) {
    return refuse(FileKind::kHubCache, path, "the cache of the Hugging Face Hub",
                  "name a model below one of its folders: " + list_paths(caches));
  }
  for (const auto& name : names) {
    if (const auto part = parse_cut_name(inside(path, name)); part && part->is_sure) {
      return refuse(FileKind::kOtherFolder, path, "a folder with parts of a file that was cut",
                    advise_joining(*part, names));
    }
  }
  return refuse(FileKind::kOtherFolder, path, "a folder without GGUF files", kNameAFile);
}

}  // namespace

std::vector<std::string> list_folder_models(const std::string& path, const FileSource& files) {
  return models_in(path, list(path, files));
}

Error refuse_folder(const std::string& path, const FileSource& files) {
  auto listed = files.list_folder(path);
  if (!listed.ok()) {
    return listed.error().code == ErrorCode::kUnsupported ? refuse(FileKind::kOtherFolder, path, "a folder", "")
                                                          : std::move(listed.error());
  }
  auto& names = listed.value();
  std::ranges::sort(names);
  if (const auto parent = parent_of(path); base_name(parent).starts_with(kHubPrefix)) {
    return refuse_hub_cache(parent, files);  // its blobs, snapshots or refs
  }
  if (names.empty()) {
    return refuse(FileKind::kEmptyFolder, path, "an empty folder", kNameAFile);
  }
  if (base_name(path).starts_with(kHubPrefix) || (has(names, "snapshots") && has(names, "blobs"))) {
    return refuse_hub_cache(path, files);
  }
  if (const auto models = models_in(path, names); !models.empty()) {
    return refuse(
        FileKind::kGgufFolder, path,
        models.size() == 1 ? "a folder with a GGUF file" : fmt::format("a folder with {} GGUF files", models.size()),
        "name the one that is meant: " + list_paths(models));
  }
  return refuse_without_models(path, names);
}

}  // namespace mtpgraft
