#include "ggml_judge.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "mtpgraft/gguf.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::size_t kReplyBytesMax = std::size_t{256} << 20;
constexpr unsigned kSecondsMax = 60;
constexpr std::uint32_t kTypeOfStrings = 8;
constexpr std::uint32_t kArray = 9;

constexpr int kReplyTooLong = 3;  // exit code of a worker

enum class Outcome : char { kReady = 'r', kRefused = 'n', kAccepted = 'y', kAborted = 'a', kUnknown = 'u' };

// The functions of gguf.h and ggml.h that are called, as these declare them.
struct Context;
struct TensorContext;
struct InitParams {
  bool no_alloc;
  TensorContext** tensors;
};

struct Ggml {
  Context* (*init_from_file)(const char*, InitParams) = nullptr;
  void (*free)(Context*) = nullptr;
  void (*free_tensors)(TensorContext*) = nullptr;
  void (*log_set)(void (*)(int, const char*, void*), void*) = nullptr;
  const char* (*version)() = nullptr;
  const char* (*commit)() = nullptr;
  std::size_t (*data_offset)(const Context*) = nullptr;
  std::int64_t (*key_count)(const Context*) = nullptr;
  const char* (*key)(const Context*, std::int64_t) = nullptr;
  int (*key_type)(const Context*, std::int64_t) = nullptr;
  int (*array_type)(const Context*, std::int64_t) = nullptr;
  std::size_t (*array_count)(const Context*, std::int64_t) = nullptr;
  const void* (*array_data)(const Context*, std::int64_t) = nullptr;
  const char* (*array_string)(const Context*, std::int64_t, std::size_t) = nullptr;
  const void* (*value_data)(const Context*, std::int64_t) = nullptr;
  const char* (*value_string)(const Context*, std::int64_t) = nullptr;
  std::int64_t (*tensor_count)(const Context*) = nullptr;
  const char* (*tensor_name)(const Context*, std::int64_t) = nullptr;
  int (*tensor_type)(const Context*, std::int64_t) = nullptr;
  std::size_t (*tensor_offset)(const Context*, std::int64_t) = nullptr;
  std::size_t (*tensor_size)(const Context*, std::int64_t) = nullptr;
  const std::int64_t* (*tensor_shape)(const Context*, std::int64_t) = nullptr;  // not in older ones

  // Returns what is missing; empty if nothing is.
  std::string load(const std::string& library) {
    void* const handle = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (handle == nullptr) {
      return dlerror();
    }
    std::string missing;
    const auto find = [&](const char* name, auto& function, bool is_needed = true) {
      void* const symbol = dlsym(handle, name);
      std::memcpy(&function, &symbol, sizeof(symbol));
      if (symbol == nullptr && is_needed) {
        missing = name;
      }
    };
    find("gguf_init_from_file", init_from_file);
    find("gguf_free", free);
    find("ggml_free", free_tensors);
    find("ggml_log_set", log_set);
    find("ggml_version", version, false);
    find("ggml_commit", commit, false);
    find("gguf_get_data_offset", data_offset);
    find("gguf_get_n_kv", key_count);
    find("gguf_get_key", key);
    find("gguf_get_kv_type", key_type);
    find("gguf_get_arr_type", array_type);
    find("gguf_get_arr_n", array_count);
    find("gguf_get_arr_data", array_data);
    find("gguf_get_arr_str", array_string);
    find("gguf_get_val_data", value_data);
    find("gguf_get_val_str", value_string);
    find("gguf_get_n_tensors", tensor_count);
    find("gguf_get_tensor_name", tensor_name);
    find("gguf_get_tensor_type", tensor_type);
    find("gguf_get_tensor_offset", tensor_offset);
    find("gguf_get_tensor_size", tensor_size);
    find("gguf_get_tensor_ne", tensor_shape, false);
    return missing.empty() ? "" : "it has no " + missing;
  }
};

// What the worker writes into memory that both see, and the program reads again.
class Reply {
 public:
  explicit Reply(std::byte* memory) : memory_(memory) {}

  void rewind() { at_ = 0; }

  template <class T>
  void put(T value) {
    put_bytes(&value, sizeof(T));
  }
  void put_text(std::string_view text) {
    put(std::uint64_t{text.size()});
    put_bytes(text.data(), text.size());
  }
  template <class T>
  T get() {
    T value;
    std::memcpy(&value, memory_ + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string get_text() {
    const auto size = get<std::uint64_t>();
    std::string text(reinterpret_cast<const char*>(memory_ + at_), size);
    at_ += size;
    return text;
  }

 private:
  void put_bytes(const void* from, std::size_t size) {
    if (size > kReplyBytesMax - at_) {
      _exit(kReplyTooLong);
    }
    std::memcpy(memory_ + at_, from, size);
    at_ += size;
  }

  std::byte* memory_;
  std::size_t at_ = 0;
};

void keep_first_message(int /*level*/, const char* text, void* into) {
  auto& message = *static_cast<std::string*>(into);
  if (message.empty()) {
    message = text;
    message.resize(message.find_last_not_of('\n') + 1);
  }
}

class Worker {
 public:
  Worker(const Ggml& ggml, std::string path, Reply reply) : ggml_(ggml), path_(std::move(path)), reply_(reply) {}

  Outcome judge() {
    message_.clear();
    ggml_.log_set(keep_first_message, &message_);
    TensorContext* tensors = nullptr;
    auto* const context = ggml_.init_from_file(path_.c_str(), {true, &tensors});
    reply_.rewind();
    const bool accepts = context != nullptr && is_inside_file(context);
    if (accepts) {
      put_keys(context);
      put_tensors(context);
    } else {
      reply_.put_text(message_);
    }
    if (context != nullptr) {
      ggml_.free_tensors(tensors);
      ggml_.free(context);
    }
    return accepts ? Outcome::kAccepted : Outcome::kRefused;
  }

 private:
  // As llama_tensor_weight's constructor in llama.cpp's llama-model-loader.h.
  bool is_inside_file(const Context* context) {
    std::FILE* const file = std::fopen(path_.c_str(), "rb");
    std::fseek(file, 0, SEEK_END);
    const auto file_bytes = static_cast<std::uint64_t>(std::ftell(file));
    std::fclose(file);
    for (std::int64_t i = 0; i < ggml_.tensor_count(context); ++i) {
      const std::uint64_t offset = ggml_.data_offset(context) + ggml_.tensor_offset(context, i);
      const std::uint64_t end = offset + ggml_.tensor_size(context, i);
      if (end < offset || end > file_bytes) {
        message_ = "tensor data is not within the file bounds, model is corrupted or incomplete";
        return false;
      }
    }
    return true;
  }

  void put_keys(const Context* context) {
    const auto count = ggml_.key_count(context);
    reply_.put(count);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto type = static_cast<std::uint32_t>(ggml_.key_type(context, i));
      const bool is_array = type == kArray;
      const auto element_type = is_array ? static_cast<std::uint32_t>(ggml_.array_type(context, i)) : type;
      const std::uint64_t elements = is_array ? ggml_.array_count(context, i) : 1;
      reply_.put_text(ggml_.key(context, i));
      reply_.put(type);
      reply_.put(element_type);
      reply_.put(elements);
      std::string value;
      if (element_type == kTypeOfStrings) {
        for (std::uint64_t j = 0; j < elements; ++j) {
          value += is_array ? ggml_.array_string(context, i, j) : ggml_.value_string(context, i);
          value += '\0';
        }
      } else if (elements > 0) {
        const auto* const data = is_array ? ggml_.array_data(context, i) : ggml_.value_data(context, i);
        value.assign(static_cast<const char*>(data), elements * value_type_bytes(ValueType{element_type}));
      }
      reply_.put_text(value);
    }
  }

  void put_tensors(const Context* context) {
    const auto count = ggml_.tensor_count(context);
    reply_.put(count);
    for (std::int64_t i = 0; i < count; ++i) {
      reply_.put_text(ggml_.tensor_name(context, i));
      reply_.put(static_cast<std::uint32_t>(ggml_.tensor_type(context, i)));
      const auto* const shape = ggml_.tensor_shape != nullptr ? ggml_.tensor_shape(context, i) : nullptr;
      for (int j = 0; j < 4; ++j) {
        reply_.put(shape != nullptr ? static_cast<std::uint64_t>(shape[j]) : 0);
      }
      reply_.put(std::uint64_t{ggml_.data_offset(context) + ggml_.tensor_offset(context, i)});
      reply_.put(std::uint64_t{ggml_.tensor_size(context, i)});
    }
  }

  const Ggml& ggml_;
  std::string path_;
  Reply reply_;
  std::string message_;
};

void send(int pipe, Outcome outcome) {
  if (write(pipe, &outcome, 1) != 1) {
    _exit(1);
  }
}

// Answers until the program is gone, or ggml ends the process.
[[noreturn]] void work(Worker worker, int requests, int answers) {
  char request = 0;
  while (read(requests, &request, 1) == 1) {
    alarm(kSecondsMax);
    const auto outcome = worker.judge();
    alarm(0);
    send(answers, outcome);
  }
  _exit(0);
}

// By an assertion or a crash: not by our alarm, by lack of memory, or because the answer is too long.
bool is_ended_by_ggml(int status) {
  if (!WIFSIGNALED(status)) {
    return false;
  }
  const auto signal = WTERMSIG(status);
  return signal == SIGABRT || signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL;
}

// Loads the library once, and starts a worker again and again.
[[noreturn]] void keep_working(const std::string& library, const std::string& path, std::byte* memory, int requests,
                               int answers) {
  const int nothing = open("/dev/null", O_WRONLY);
  dup2(nothing, STDOUT_FILENO);
  dup2(nothing, STDERR_FILENO);
  setenv("GGML_NO_BACKTRACE", "1", 1);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  Ggml ggml;
  Reply reply(memory);
  auto problem = ggml.load(library);
  reply.put_text(problem);
  reply.put_text(ggml.version == nullptr ? "of unknown version" : ggml.version());
  reply.put_text(ggml.commit == nullptr ? "" : ggml.commit());
  send(answers, problem.empty() ? Outcome::kReady : Outcome::kRefused);
  for (;;) {
    const auto worker = fork();
    if (worker == 0) {
      work(Worker(ggml, path, reply), requests, answers);
    }
    int status = 0;
    waitpid(worker, &status, 0);
    if (worker < 0 || (WIFEXITED(status) && WEXITSTATUS(status) != kReplyTooLong)) {
      _exit(0);
    }
    send(answers, is_ended_by_ggml(status) ? Outcome::kAborted : Outcome::kUnknown);
  }
}

class Judge final : public GgmlJudge {
 public:
  ~Judge() override {
    if (requests_ >= 0) {
      close(requests_);
    }
    if (keeper_ > 0) {
      waitpid(keeper_, nullptr, 0);
    }
    if (answers_ >= 0) {
      close(answers_);
    }
    if (file_ >= 0) {
      close(file_);
      unlink(path_.c_str());
    }
    if (memory_ != nullptr) {
      munmap(memory_, kReplyBytesMax);
    }
  }

  Status start_with(const std::string& library) {
    const auto failure = [&](std::string what) {
      return Error{.code = ErrorCode::kIo, .message = std::move(what), .path = library};
    };
    const char* const temporary = std::getenv("TMPDIR");
    // In memory, where there is such a place.
    path_ = temporary != nullptr ? temporary : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    path_ += "/differential-XXXXXX";
    file_ = mkstemp(path_.data());
    void* const memory = mmap(nullptr, kReplyBytesMax, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    std::array<int, 2> requests{};
    std::array<int, 2> answers{};
    if (file_ < 0 || memory == MAP_FAILED || pipe(requests.data()) != 0 || pipe(answers.data()) != 0) {
      return failure("cannot make a temporary file, memory and pipes for a child");
    }
    memory_ = static_cast<std::byte*>(memory);
    keeper_ = fork();
    if (keeper_ == 0) {
      close(requests[1]);
      close(answers[0]);
      keep_working(library, path_, memory_, requests[0], answers[1]);
    }
    close(requests[0]);
    close(answers[1]);
    requests_ = requests[1];
    answers_ = answers[0];
    const bool is_ready = receive() == Outcome::kReady;
    Reply reply(memory_);
    const auto problem = reply.get_text();
    version_ = reply.get_text();
    const auto commit = reply.get_text();
    version_ += commit.empty() ? "" : " (" + commit + ")";
    return is_ready ? ok_status() : Status(failure("cannot load ggml: " + problem));
  }

  Verdict judge(std::span<const std::byte> file) override {
    const auto size = static_cast<off_t>(file.size());
    const char request = 'j';
    if (ftruncate(file_, size) != 0 || pwrite(file_, file.data(), file.size(), 0) != size ||
        write(requests_, &request, 1) != 1) {
      std::fputs("the judge cannot be asked\n", stderr);
      std::exit(4);
    }
    Verdict verdict;
    const auto outcome = receive();
    Reply reply(memory_);
    if (outcome == Outcome::kAborted) {
      ++abort_count_;
      verdict.reason = "ggml ends the process";
    } else if (outcome == Outcome::kUnknown) {
      verdict.is_known = false;
      verdict.reason = "ggml takes too long, or its answer does";
    } else if (outcome == Outcome::kRefused) {
      verdict.reason = reply.get_text();
    } else {
      verdict.accepts = true;
      read_contents(reply, verdict);
    }
    return verdict;
  }

  [[nodiscard]] std::uint64_t abort_count() const override { return abort_count_; }
  [[nodiscard]] std::string version() const override { return version_; }

 private:
  Outcome receive() const {
    auto outcome = Outcome::kAborted;
    if (read(answers_, &outcome, 1) != 1) {
      std::fputs("the judge is gone\n", stderr);
      std::exit(4);
    }
    return outcome;
  }

  static void read_contents(Reply& reply, Verdict& verdict) {
    verdict.keys.resize(reply.get<std::uint64_t>());
    for (auto& item : verdict.keys) {
      item.name = reply.get_text();
      item.type = reply.get<std::uint32_t>();
      item.element_type = reply.get<std::uint32_t>();
      item.count = reply.get<std::uint64_t>();
      item.value = reply.get_text();
    }
    verdict.tensors.resize(reply.get<std::uint64_t>());
    for (auto& tensor : verdict.tensors) {
      tensor.name = reply.get_text();
      tensor.type = reply.get<std::uint32_t>();
      tensor.shape = reply.get<std::array<std::uint64_t, 4>>();
      tensor.offset = reply.get<std::uint64_t>();
      tensor.size_bytes = reply.get<std::uint64_t>();
    }
  }

  std::string path_;
  std::string version_;
  std::byte* memory_ = nullptr;
  int file_ = -1;
  int requests_ = -1;
  int answers_ = -1;
  pid_t keeper_ = -1;
  std::uint64_t abort_count_ = 0;
};

}  // namespace

Result<std::unique_ptr<GgmlJudge>> GgmlJudge::start(const std::string& library) {
  auto judge = std::make_unique<Judge>();
  MTPGRAFT_CHECK(judge->start_with(library));
  return std::unique_ptr<GgmlJudge>(std::move(judge));
}

}  // namespace mtpgraft::fuzz
