// The files of a Hugging Face checkpoint: which tensors there are, and in which file each stands.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "donor/head_description.h"
#include "donor/quantisation_config.h"
#include "donor/safetensors.h"
#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct CheckpointTensor : SafetensorsTensor {
  std::shared_ptr<const ReadableFile> file;
};

// The file of a folder that says which tensors a checkpoint in it has; empty if there is none.
Result<std::string> find_checkpoint(const std::string& folder, FileSource& files);

class Checkpoint {
 public:
  // `path` is a folder (its index, or model.safetensors, or mtp.safetensors, says what there is; without these, all
  // .safetensors files in it) or one .safetensors file.
  static Result<Checkpoint> open(const std::string& path, FileSource& files);

  // config.json with `text_config`, or what else holds the text's, merged into it; nothing if there is none.
  [[nodiscard]] const std::optional<nlohmann::json>& config() const { return config_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // What config.json says of how it is quantised, else hf_quant_config.json.
  Result<QuantisationConfig> read_quantisation();
  // "OWNER/NAME" of the model that the README.md beside it says it was made of; empty if that is not told, or not here.
  [[nodiscard]] std::string base_model() const;
  // Every file of it that is there, also those of which nothing is read.
  [[nodiscard]] std::vector<std::shared_ptr<const ReadableFile>> files() const;
  // Every tensor's name, and the path of the file it is in.
  [[nodiscard]] const std::map<std::string, std::string>& files_of_tensors() const { return files_of_tensors_; }

  // Adds the tensors of the folder's other .safetensors files, and of indexes that they have of their own. A name that
  // is known already stays where it is, before all that of an index. Does nothing for a single file.
  Status add_files_beside();
  struct Beside {
    std::set<std::string> files_without_index;         // paths
    std::map<std::string, std::string> second_places;  // of tensors that are in two such files
    std::vector<Error> unreadable;                     // why a file was left out
  };
  // What add_files_beside() found.
  [[nodiscard]] const Beside& beside() const { return beside_; }
  // The name of the file that says what there is; empty for a folder that has none.
  [[nodiscard]] const std::string& described_by() const { return described_by_; }

  // Opens the tensor's file when it is asked for the first time.
  Result<CheckpointTensor> find(const std::string& name);
  // What the file that has all tensors of these names says of the head in it; nothing if they are in several, or if it
  // was not opened yet.
  [[nodiscard]] std::optional<HeadDescription> describe(std::span<const std::string_view> names) const;

 private:
  struct OpenFile {
    std::shared_ptr<const ReadableFile> file;
    std::vector<SafetensorsTensor> tensors;  // by name
    std::string description;
  };

  Checkpoint(std::string path, FileSource& files);
  Status read_config();
  // Adds what the index says, but for names that are known already.
  Status read_index(const std::string& path);
  Status add_file(const std::string& path);
  Result<OpenFile*> open_file(const std::string& path);

  std::string path_;
  bool is_folder_;
  std::string folder_;
  FileSource* files_;
  std::vector<std::shared_ptr<const ReadableFile>> descriptions_;
  std::optional<nlohmann::json> config_;
  std::map<std::string, std::string> files_of_tensors_;
  std::map<std::string, OpenFile> open_files_;
  std::string described_by_;
  Beside beside_;
};

}  // namespace mtpgraft
