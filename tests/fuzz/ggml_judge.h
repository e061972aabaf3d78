// The real ggml as a judge of files: its reader of GGUF, and the check of sizes that llama.cpp's loader makes with what
// it has read. It works in a process of its own, since ggml may end it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mtpgraft/result.h"

namespace mtpgraft::fuzz {

struct JudgedKey {
  std::string name;
  std::uint32_t type = 0;
  std::uint32_t element_type = 0;  // the type itself, if it is no array
  std::uint64_t count = 1;
  std::string value;  // bytes of numbers; strings up to their first NUL, each with one behind it

  bool operator==(const JudgedKey&) const = default;
};

struct JudgedTensor {
  std::string name;
  std::uint32_t type = 0;
  std::array<std::uint64_t, 4> shape{};  // zeros where an older ggml does not tell it
  std::uint64_t offset = 0;              // from the start of the file
  std::uint64_t size_bytes = 0;

  bool operator==(const JudgedTensor&) const = default;
};

struct Verdict {
  bool accepts = false;
  bool is_known = true;  // false: ggml took too long, or its answer is too long for us. That is no refusal.
  std::string reason{};  // what ggml or the loader says, or why it is not known
  std::vector<JudgedKey> keys{};
  std::vector<JudgedTensor> tensors{};
};

class GgmlJudge {
 public:
  // `library` is a libggml-base.so, or any library with ggml in it.
  static Result<std::unique_ptr<GgmlJudge>> start(const std::string& library);
  virtual ~GgmlJudge() = default;

  // Ends the program if the judge cannot be asked.
  virtual Verdict judge(std::span<const std::byte> file) = 0;
  [[nodiscard]] virtual std::uint64_t abort_count() const = 0;
  // "0.18.1 (commit)", as the library says.
  [[nodiscard]] virtual std::string version() const = 0;
};

}  // namespace mtpgraft::fuzz
