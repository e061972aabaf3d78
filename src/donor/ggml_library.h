// The user's own ggml, found and loaded while the program runs: the one source of most quantised types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "gguf/tensor_types.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

class GgmlLibrary {
 public:
  // `path` is the library or its directory. If it is empty: $MTPGRAFT_GGML, else beside a llama-server on PATH, else
  // where the system's libraries are; the last two only if `searches`.
  static Result<GgmlLibrary> load(const std::string& path, bool searches = true);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string version() const;

  // To be called before quantize(). Fails if the type is another one here than in our table, or cannot be made.
  Status prepare(const TensorType& type) const;

  // `values` are whole rows, `out` is their data. Called from several threads.
  Status quantize(const TensorType& type, std::span<const float> values, std::uint64_t row_length,
                  std::span<std::byte> out) const;

  // The same for dequantize(). Fails if ggml cannot read the type.
  Status prepare_to_read(const TensorType& type) const;

  // `bytes` are whole blocks, `out` gets their values. Called from several threads.
  Status dequantize(const TensorType& type, std::span<const std::byte> bytes, std::span<float> out) const;

 private:
  // As ggml declares them; `int` stands for enum ggml_type.
  struct InitParams {
    std::size_t mem_size;
    void* mem_buffer;
    bool no_alloc;
  };
  struct Functions {
    void* (*init)(InitParams);
    void (*free)(void*);
    const char* (*type_name)(int);
    std::int64_t (*block_elements)(int);
    std::size_t (*block_bytes)(int);
    bool (*requires_imatrix)(int);
    void (*quantize_init)(int);
    std::size_t (*quantize_chunk)(int, const float*, void*, std::int64_t, std::int64_t, std::int64_t, const float*);
    const char* (*version)();  // null in older builds
  };

  GgmlLibrary() = default;
  static Result<GgmlLibrary> load_file(const std::string& file);
  Status check_layout(const TensorType& type) const;
  static Result<GgmlLibrary> load_given(const std::string& path);

  std::string path_;
  void* handle_ = nullptr;
  Functions functions_{};
};

}  // namespace mtpgraft
