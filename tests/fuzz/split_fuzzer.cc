// The files of a split model. Before them stands a byte of options.
#include "fuzz.h"
#include "mtpgraft/header_digest.h"

namespace mtpgraft::fuzz {
namespace {

void check_set(std::uint8_t flags, const std::vector<Bytes>& parts) {
  MemoryFileSystem files;
  ShardName name{"model", 1, parts.size()};
  for (const auto& part : parts) {
    files.put(format_shard_name(name), part);
    ++name.number;
  }
  name.number = 1;
  const auto opened = open_model_files(files, format_shard_name(name));
  if (!opened.ok()) {
    return require_sound(opened.error());
  }
  const auto read = read_model(opened.value());
  if (!read.ok()) {
    require_sound(read.error());
    // Where shards are missing, one file may still be a donor.
    name.number = parts.size();
    (void)open_donor_model(files, format_shard_name(name)).ok();
    return;
  }
  const auto& model = read.value();
  const auto& shards = model.gguf.files;
  const auto bytes = read_all(*model.file);
  for (std::size_t i = 0; i < shards.size(); ++i) {
    require(std::ranges::equal(std::span(bytes).subspan(shards[i].offset, shards[i].size), parts[i]),
            "a split model is read as its files");
    for (const auto& tensor : model.gguf.tensors_of_file(i)) {
      require(tensor.offset >= shards[i].offset && tensor.offset + tensor.size_bytes <= shards[i].data_end &&
                  shards[i].data_end <= shards[i].offset + shards[i].size,
              "a tensor is in its shard");
    }
  }
  check_strip(model);
  check_extract(model, nullptr);
  // A model with a head is its own donor.
  GraftOptions options{.replace = true, .labels = std::nullopt};
  if ((flags & 1U) != 0) {
    options.labels = RecordLabels{"fuzz", model.file->path(), model.file->path()};
    options.target_header = read_target_header(*model.file, model.gguf).value();
  }
  options.split = (flags & 2U) != 0 ? Split::kMerge : Split::kAsTarget;
  check_graft(model, model, options);
}

}  // namespace
}  // namespace mtpgraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 1) {
    mtpgraft::fuzz::check_set(data[0], mtpgraft::fuzz::cut_input(data + 1, size - 1));
  }
  return 0;
}
