// Files and pairs at random, and the verdict of the real ggml beside ours.
#include "differential.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "fuzz.h"
#include "refusals.h"

namespace mtpgraft::fuzz {
namespace {

constexpr std::string_view kUsage =
    R"(usage: differential --ggml LIBRARY [OPTION]...   compares mtpgraft with the ggml in LIBRARY (libggml-base.so)
       differential --refusals                  prints what ggml reads and mtpgraft refuses, for docs/gguf-format.md
       differential --check-docs FILE           tells whether FILE has that list
  --count N        cases: damaged files, and one in 64 a pair that fits (100000)
  --seconds N      ends after that time, however many are left
  --seed N         other ones (1)
  --first N        begins with the case of that number (0)
  --older LIBRARY  also counts where an older ggml says something else
  --giants         also judges sound files that are larger than what mtpgraft takes
  --table          prints the matrix in Markdown, for docs/reliability.md
  --replay FILE    judges that file only; several are a split model
  --out FOLDER     where to write a file that is judged wrongly (.)
)";
constexpr std::uint64_t kFaultsMax = 10;
constexpr std::uint64_t kCasesPerPair = 64;
constexpr std::size_t kCasesPerGraft = 8;  // of a damaged file, if it is accepted
constexpr std::string_view kSplitKind = "one file of a split model, changed so";
constexpr std::string_view kGiantKind = "none: larger than mtpgraft takes";
constexpr std::string_view kPairKind = "pairs that fit, grafted";

// How to see the case again that is being judged, for when a broken promise ends the program.
std::array<char, 4096> again;

extern "C" void tell_again(int /*signal*/) {
  const auto length = write(STDERR_FILENO, again.data(), std::strlen(again.data()));
  std::_Exit(length > 0 ? 1 : 2);
}

struct Options {
  std::string program;
  std::string ggml;
  std::string older;
  std::string out = ".";
  std::string docs;
  std::uint64_t count = 100'000;
  std::uint64_t seconds = UINT64_MAX;
  std::uint64_t seed = 1;
  std::uint64_t first = 0;
  std::vector<std::string> replay;
  bool giants = false;
  bool table = false;
  bool refusals = false;
};

bool parse_number(const std::string& text, std::uint64_t& number) {
  const auto* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end;
}

std::optional<Options> parse_options(std::span<char*> arguments) {
  Options options;
  options.program = arguments.front();
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string name = arguments[i];
    const std::map<std::string, bool*> flags{
        {"--giants", &options.giants}, {"--table", &options.table}, {"--refusals", &options.refusals}};
    if (flags.contains(name)) {
      *flags.at(name) = true;
      continue;
    }
    if (i + 1 == arguments.size()) {
      return std::nullopt;
    }
    const std::string value = arguments[++i];
    const std::map<std::string, std::string*> texts{{"--ggml", &options.ggml},
                                                    {"--older", &options.older},
                                                    {"--out", &options.out},
                                                    {"--check-docs", &options.docs}};
    const std::map<std::string, std::uint64_t*> numbers{{"--count", &options.count},
                                                        {"--seconds", &options.seconds},
                                                        {"--seed", &options.seed},
                                                        {"--first", &options.first}};
    if (name == "--replay") {
      options.replay.push_back(value);
    } else if (texts.contains(name)) {
      *texts.at(name) = value;
    } else if (!numbers.contains(name) || !parse_number(value, *numbers.at(name))) {
      return std::nullopt;
    }
  }
  return options.refusals || !options.docs.empty() || !options.ggml.empty() ? std::optional(options) : std::nullopt;
}

Bytes read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(stream), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Bases read_bases() {
  const std::filesystem::path golden = GOLDEN_DIR;
  const auto read = [&](const char* name) { return read_spec(read_file(golden / name)); };
  return {read("tiny-qwen35-target.gguf"),
          read("tiny-qwen35-donor.gguf"),
          {read("all-value-types.gguf"), read("all-types-tensors.gguf"), read("minimal-v2.gguf"),
           read("minimal-v3.gguf"), read("no-tensors.gguf")}};
}

std::string format_refusals() {
  std::string table = "| ggml reads, mtpgraft refuses | why |\n|---|---|\n";
  for (const auto& refusal : kRefusals) {
    table += fmt::format("| {} | {} |\n", refusal.what, refusal.reason);
  }
  return table;
}

bool check_docs(const std::string& path) {
  const bool is_there = to_text(read_file(path)).find(format_refusals()) != std::string::npos;
  fmt::print("{}", is_there ? "" : path + " has another list than differential --refusals prints\n");
  return is_there;
}

// Cases of one kind, by Column.
using Row = std::array<std::uint64_t, kColumnCount>;

class Fuzzer {
 public:
  Fuzzer(const Options& options, GgmlJudge& judge, GgmlJudge* older)
      : options_(options), bases_(read_bases()), judge_(judge), older_(older), comparison_(judge_, bases_) {
    kinds_.assign(mutation_kinds().begin(), mutation_kinds().end());
    kinds_.insert(kinds_.end(), {kSplitKind, kPairKind, kGiantKind});
    matrix_.resize(kinds_.size());
  }

  bool run() {
    if (options_.giants) {
      for (const auto& file : spell_giants(bases_.others.front())) {
        record(kinds_.size() - 1, comparison_.compare_file(file, false), 0, {file});
      }
    }
    const auto end = options_.first + options_.count;
    for (auto i = options_.first; i < end && fault_count_ < kFaultsMax && seconds() < options_.seconds; ++i) {
      keep_command(i);
      Random random((options_.seed << 40) ^ (i * 2));
      if (i % kCasesPerPair == kCasesPerPair - 1) {
        judge_pair(i, random);
      } else {
        judge_mutant(i, random);
      }
      ++case_count_;
    }
    return fault_count_ == 0;
  }

  bool replay() {
    std::vector<Bytes> files;
    for (const auto& path : options_.replay) {
      files.push_back(read_file(path));
    }
    const auto verdict = judge_.judge(files.front());
    const auto parsed = parse_gguf(MemoryFile(options_.replay.front(), files.front()));
    const auto answer = verdict.is_known ? "refuses: " + verdict.reason : "gives no verdict: " + verdict.reason;
    fmt::print("ggml      {}\nmtpgraft  {}\n", verdict.accepts ? "accepts" : answer,
               parsed.ok() ? "reads" : "refuses: " + parsed.error().message);
    const auto finding =
        files.size() == 1 ? comparison_.compare_file(files.front(), true) : comparison_.compare_shards(files);
    const bool is_right = finding.column != Column::kFault;
    fmt::print("{}\n", is_right ? "as it should be" : "FAULT: " + finding.text);
    return is_right;
  }

  void print_table() const {
    fmt::print(
        "| damage | both accept | both refuse | only ggml accepts | only mtpgraft accepts: types of forks | mtpgraft "
        "warns, `--strict` refuses: types that no program has | ggml gives no verdict | faults: anything else |\n"
        "|---|---|---|---|---|---|---|---|\n");
    Row sum{};
    for (std::size_t i = 0; i < matrix_.size(); ++i) {
      print_row(kinds_[i], matrix_[i]);
      std::ranges::transform(sum, matrix_[i], sum.begin(), std::plus());
    }
    print_row("all", sum);
    fmt::print("\n| only ggml accepts | files |\n|---|---|\n");
    for (const auto& refusal : kRefusals) {
      const auto count = refused_.find(refusal.what);
      fmt::print("| {} | {} |\n", refusal.what, count != refused_.end() ? count->second : 0);
    }
  }

  void print_summary() const {
    fmt::print("\n{} cases in {} s, seed {}; ggml {} ended its process {} times; {} faults\n", case_count_, seconds(),
               options_.seed, judge_.version(), judge_.abort_count(), fault_count_);
    fmt::print("ggml read {} grafts with damaged files; {} more were planned, but are larger than {} MiB\n",
               comparison_.graft_count(), comparison_.large_graft_count(), kLargeOutputBytesMax >> 20);
    if (older_ != nullptr) {
      fmt::print(
          "ggml {} accepts {} that the newer one refuses, refuses {} that it accepts, ended its process {} times\n",
          older_->version(), only_older_, only_newer_, older_->abort_count());
    }
  }

 private:
  static void print_row(std::string_view kind, const Row& row) {
    fmt::print("| {} |", kind);
    for (const auto count : row) {
      fmt::print(" {} |", count);
    }
    fmt::print("\n");
  }

  [[nodiscard]] std::uint64_t seconds() const {
    const auto passed = std::chrono::steady_clock::now() - start_;
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(passed).count());
  }

  GgufSpec make_base(Random& random) const {
    auto spec = random.one_in(3) ? random.any(bases_.others) : random.one_in(2) ? bases_.target : bases_.donor;
    if (random.one_in(2)) {
      vary(spec, random);
    }
    return spec;
  }

  [[nodiscard]] std::string command_of(std::uint64_t index) const {
    return fmt::format("  again: {} --ggml {} --seed {} --first {} --count 1\n", options_.program, options_.ggml,
                       options_.seed, index);
  }

  void keep_command(std::uint64_t index) const {
    const auto command = command_of(index);
    again.fill('\0');
    command.copy(again.data(), again.size() - 1);
  }

  void judge_pair(std::uint64_t index, Random& random) {
    const auto fault = check_pair(judge_, bases_, random);
    record(kinds_.size() - 2, {fault.empty() ? Column::kBothAccept : Column::kFault, fault}, index, {});
  }

  void judge_mutant(std::uint64_t index, Random& random) {
    const auto mutations = mutation_kinds().size();
    const auto kind = random.below(mutations + 1);
    if (kind == mutations) {
      auto files = split(random.one_in(2) ? bases_.target : bases_.donor, 2 + random.below(2));
      auto& changed = random.any(files);
      changed = mutate(random.below(mutations), read_spec(changed), random);
      return record(kind, comparison_.compare_shards(files), index, files);
    }
    const auto file = mutate(kind, make_base(random), random);
    record(kind, comparison_.compare_file(file, random.one_in(kCasesPerGraft)), index, {file});
    if (older_ != nullptr) {
      const auto newer = judge_.judge(file);
      const auto older = older_->judge(file);
      const bool are_known = newer.is_known && older.is_known;
      only_older_ += static_cast<std::uint64_t>(are_known && older.accepts && !newer.accepts);
      only_newer_ += static_cast<std::uint64_t>(are_known && newer.accepts && !older.accepts);
    }
  }

  void record(std::size_t kind, const Finding& finding, std::uint64_t index, const std::vector<Bytes>& files) {
    ++matrix_[kind][static_cast<std::size_t>(finding.column)];
    if (finding.column == Column::kOnlyGgml) {
      ++refused_[finding.text];
    }
    if (finding.column == Column::kFault) {
      report(finding.text, index, files);
    }
  }

  void report(const Fault& fault, std::uint64_t index, const std::vector<Bytes>& files) {
    ++fault_count_;
    fmt::print("FAULT: {}\n", fault);
    std::string replay;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const auto path = fmt::format("{}/differential-{}-{}-{}.gguf", options_.out, options_.seed, index, i + 1);
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(files[i].data()), static_cast<std::streamsize>(files[i].size()));
      replay += " --replay " + path;
    }
    fmt::print("{}", command_of(index));
    if (!files.empty()) {
      fmt::print("  or:    {} --ggml {}{}\n", options_.program, options_.ggml, replay);
    }
    std::fflush(stdout);
  }

  const Options& options_;
  Bases bases_;
  GgmlJudge& judge_;
  GgmlJudge* older_;
  Comparison comparison_;
  std::vector<std::string_view> kinds_;
  std::vector<Row> matrix_;
  std::map<std::string, std::uint64_t, std::less<>> refused_;  // by Refusal::what
  std::uint64_t case_count_ = 0;
  std::uint64_t fault_count_ = 0;
  std::uint64_t only_older_ = 0;
  std::uint64_t only_newer_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

int run(const Options& options) {
  if (options.refusals) {
    fmt::print("{}", format_refusals());
    return 0;
  }
  if (!options.docs.empty()) {
    return check_docs(options.docs) ? 0 : 1;
  }
  auto judge = GgmlJudge::start(options.ggml);
  std::unique_ptr<GgmlJudge> older;
  if (judge.ok() && !options.older.empty()) {
    auto started = GgmlJudge::start(options.older);
    if (started.ok()) {
      older = std::move(started).value();
    } else {
      judge = std::move(started.error());
    }
  }
  if (!judge.ok()) {
    fmt::print(stderr, "{}: {}\n", judge.error().path, judge.error().message);
    return 4;
  }
  std::signal(SIGABRT, tell_again);
  Fuzzer fuzzer(options, *judge.value(), older.get());
  if (!options.replay.empty()) {
    return fuzzer.replay() ? 0 : 1;
  }
  const bool is_right = fuzzer.run();
  if (options.table) {
    fuzzer.print_table();
  }
  fuzzer.print_summary();
  return is_right ? 0 : 1;
}

}  // namespace
}  // namespace mtpgraft::fuzz

int main(int argc, char** argv) {
  const auto options = mtpgraft::fuzz::parse_options(std::span(argv, static_cast<std::size_t>(argc)));
  if (!options) {
    std::fputs(mtpgraft::fuzz::kUsage.data(), stderr);
    return 2;
  }
  return mtpgraft::fuzz::run(*options);
}
