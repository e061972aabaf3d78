#include "donor/ggml_library.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "mtpgraft/convert.h"
#include "util/dynamic_library.h"
#include "util/environment.h"
#include "util/file_names.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/programs.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "MTPGRAFT_GGML";

std::array<std::string, 2> file_names() { return {library_file_name("ggml-base"), library_file_name("ggml-base", 0)}; }

// Where the libraries of an installed llama.cpp can be, by the llama-server on PATH.
std::vector<fs::path> installed_directories() {
  std::vector<fs::path> directories;
  for (const auto& program : find_programs("llama-server")) {
    std::error_code error;
    if (const auto server = fs::canonical(as_path(program), error); !error) {
      directories.push_back(server.parent_path());
      directories.push_back(server.parent_path().parent_path() / "lib");
    }
  }
  return directories;
}

// The library that a path means, which may be its directory; empty if that has none.
fs::path find_library(const std::string& path) {
  std::error_code error;
  // Without a directory the system would look for the name among its libraries.
  auto absolute = fs::absolute(as_path(path), error);
  if (!fs::is_directory(absolute, error)) {
    return absolute;
  }
  for (const auto& name : file_names()) {
    if (fs::exists(absolute / name, error)) {
      return absolute / name;
    }
  }
  return {};
}

// ggml's function for one type, "quantize_q4_K".
std::string function_name(std::string_view verb, const TensorType& type) {
  auto type_in_name = lowered(type.name);
  std::ranges::replace(type_in_name, 'k', 'K');
  return fmt::format("{}_{}", verb, type_in_name);
}

constexpr std::string_view kRowReader = "dequantize_row";

template <class Function>
void find_symbol(void* handle, const char* name, Function*& function, std::vector<std::string>& missing) {
  function = reinterpret_cast<Function*>(find_in_library(handle, name));
  if (function == nullptr) {
    missing.emplace_back(name);
  }
}

Error refuse(const std::string& path, std::string message) {
  return {.code = ErrorCode::kUnsupported,
          .message = std::move(message),
          .path = path,
          .hint = "use another type",
          .remedy = Remedy::kNameGgml};
}

}  // namespace

bool is_named_ggml(const std::string& path, const std::string& named) {
  const auto given = named.empty() ? environment(kVariable) : named;
  if (given.empty()) {
    return false;
  }
  const auto library = find_library(given);
  std::error_code error;
  // One that is not there is the same, too: then loading it tells that.
  return find_library(path) == library || fs::equivalent(find_library(path), library, error);
}

Result<GgmlLibrary> GgmlLibrary::load_file(const std::string& file) {
  const auto loaded = load_library(file);
  if (!loaded.ok()) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("cannot load ggml: {}", loaded.error().message),
                 .path = file,
                 .remedy = Remedy::kNameGgml};
  }
  void* const handle = loaded.value();
  GgmlLibrary ggml;
  ggml.path_ = file;
  ggml.handle_ = handle;
  auto& functions = ggml.functions_;
  std::vector<std::string> missing;
  find_symbol(handle, "ggml_init", functions.init, missing);
  find_symbol(handle, "ggml_free", functions.free, missing);
  find_symbol(handle, "ggml_type_name", functions.type_name, missing);
  find_symbol(handle, "ggml_blck_size", functions.block_elements, missing);
  find_symbol(handle, "ggml_type_size", functions.block_bytes, missing);
  find_symbol(handle, "ggml_quantize_requires_imatrix", functions.requires_imatrix, missing);
  find_symbol(handle, "ggml_quantize_init", functions.quantize_init, missing);
  find_symbol(handle, "ggml_quantize_chunk", functions.quantize_chunk, missing);
  if (!missing.empty()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .message = fmt::format("is not ggml: has no {}", fmt::join(missing, ", ")),
                 .path = file,
                 .remedy = Remedy::kNameGgml};
  }
  find_symbol(handle, "ggml_version", functions.version, missing);
  // Older builds make the tables here that they convert F16 with.
  functions.free(functions.init({.mem_size = 0, .mem_buffer = nullptr, .no_alloc = true}));
  return ggml;
}

Result<GgmlLibrary> GgmlLibrary::load_given(const std::string& path) {
  const auto file = find_library(path);
  if (file.empty()) {
    return Error{.code = ErrorCode::kIo,
                 .message = fmt::format("has no {}", fmt::join(file_names(), " or ")),
                 .path = path,
                 .remedy = Remedy::kNameGgml};
  }
  return load_file(file.string());
}

Result<GgmlLibrary> GgmlLibrary::load(const std::string& path, bool searches) {
  if (!path.empty()) {
    return load_given(path);
  }
  if (const auto given = environment(kVariable); !given.empty()) {
    return load_given(given);
  }
  if (!searches) {
    return Error{.code = ErrorCode::kUnsupported,
                 .message = "the head was made with a ggml, and none is loaded here but one that is named",
                 .remedy = Remedy::kAllowGgml};
  }
  std::vector<std::string> tried;
  const auto directories = installed_directories();
  if (directories.empty()) {
    tried.emplace_back("beside llama-server: there is none on PATH");
  }
  for (const auto& directory : directories) {
    auto library = load_given(directory.string());
    if (library.ok()) {
      return library;
    }
    tried.push_back(fmt::format("{}: {}", library.error().path, library.error().message));
  }
  for (const auto& name : file_names()) {
    auto library = load_file(name);
    if (library.ok()) {
      return library;
    }
    tried.push_back(fmt::format("{}: {}", library.error().path, library.error().message));
  }
  return Error{.code = ErrorCode::kIo,
               .message = "found no ggml, which makes all types but F32, F16, BF16 and Q8_0",
               .details = std::move(tried),
               .remedy = Remedy::kNameGgml};
}

std::string GgmlLibrary::version() const { return functions_.version != nullptr ? functions_.version() : "unknown"; }

// Says what this ggml calls the type, and how it lays out its blocks.
Status GgmlLibrary::check_layout(const TensorType& type) const {
  const auto id = static_cast<int>(type.id);
  const char* name = functions_.type_name(id);
  if (name == nullptr || find_tensor_type(std::string_view(name)) != find_tensor_type(type.name)) {
    return refuse(path_,
                  fmt::format("this ggml calls the type {} '{}', not {}", id, name != nullptr ? name : "", type.name));
  }
  const auto elements = functions_.block_elements(id);
  const auto bytes = functions_.block_bytes(id);
  if (elements != type.block_elements || bytes != type.block_bytes) {
    return refuse(path_, fmt::format("this ggml's {} has blocks of {} values in {} bytes; expected are {} in {}",
                                     type.name, elements, bytes, type.block_elements, type.block_bytes));
  }
  return ok_status();
}

Status GgmlLibrary::prepare(const TensorType& type) const {
  const auto id = static_cast<int>(type.id);
  // Before anything is asked of the type: ggml looks ids up in its table without a check, and ends the program where it
  // cannot make a type.
  if (const auto quantizer = function_name("quantize", type); find_in_library(handle_, quantizer.c_str()) == nullptr) {
    return refuse(path_,
                  fmt::format("this ggml, version {}, cannot make {}: it has no {}", version(), type.name, quantizer));
  }
  MTPGRAFT_CHECK(check_layout(type));
  if (functions_.requires_imatrix(id)) {
    auto error = refuse(
        path_, fmt::format("{} cannot be made without an importance matrix, and there are none of heads", type.name));
    error.code = ErrorCode::kUsage;
    return error;
  }
  functions_.quantize_init(id);
  return ok_status();
}

Status GgmlLibrary::quantize(const TensorType& type, std::span<const float> values, std::uint64_t row_length,
                             std::span<std::byte> out) const {
  const auto made = functions_.quantize_chunk(static_cast<int>(type.id), values.data(), out.data(), 0,
                                              static_cast<std::int64_t>(values.size() / row_length),
                                              static_cast<std::int64_t>(row_length), nullptr);
  if (made != out.size()) {
    return Error{.code = ErrorCode::kUnsupported,
                 .message = fmt::format("made {} bytes of {} where {} were expected", made, type.name, out.size()),
                 .path = path_};
  }
  return ok_status();
}

Status GgmlLibrary::prepare_to_read(const TensorType& type) const {
  if (const auto reader = function_name(kRowReader, type); find_in_library(handle_, reader.c_str()) == nullptr) {
    auto error =
        refuse(path_, fmt::format("this ggml, version {}, cannot read {}: it has no {}", version(), type.name, reader));
    error.hint = "take the head of an unquantised donor";
    return error;
  }
  return check_layout(type);
}

Status GgmlLibrary::dequantize(const TensorType& type, std::span<const std::byte> bytes, std::span<float> out) const {
  using Reader = void(const void*, float*, std::int64_t);
  auto* const read = reinterpret_cast<Reader*>(find_in_library(handle_, function_name(kRowReader, type).c_str()));
  read(bytes.data(), out.data(), static_cast<std::int64_t>(out.size()));
  return ok_status();
}

}  // namespace mtpgraft
