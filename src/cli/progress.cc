#include "cli/progress.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "cli/events.h"
#include "cli/terminal.h"
#include "report/events.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

using Clock = std::chrono::steady_clock;

// At most ten times a second, and by a line not at all of what is over at once.
constexpr std::chrono::milliseconds kInterval(100);

bool line_is_shown = false;

// What events tell of beside the bytes. A donor on a server may be fetched by another thread.
struct {
  std::mutex mutex;
  std::map<Phase, std::string> paths;
  std::size_t graft = 0;
  std::size_t grafts = 0;
} event_facts;

// The events of one phase: the first when it begins, the last when the library drops its Progress.
class PhaseEvents {
 public:
  PhaseEvents(Phase phase, std::uint64_t total_bytes) : phase_(phase), total_bytes_(total_bytes) {
    tell(report::PhaseState::kBegin);
  }
  PhaseEvents(const PhaseEvents&) = delete;
  PhaseEvents& operator=(const PhaseEvents&) = delete;
  ~PhaseEvents() { tell(report::PhaseState::kEnd); }

  void add(std::uint64_t bytes) {
    done_ += bytes;
    if (Clock::now() - told_at_ >= kInterval || graft() != told_graft_) {
      tell(report::PhaseState::kRunning);
    }
  }

 private:
  static std::size_t graft() {
    const std::lock_guard lock(event_facts.mutex);
    return event_facts.graft;
  }

  void tell(report::PhaseState state) {
    told_at_ = Clock::now();
    report::PhaseProgress progress{phase_, state,        {},
                                   done_,  total_bytes_, std::chrono::duration<double>(told_at_ - start_).count()};
    write_event([&](std::string_view command) {
      const std::lock_guard lock(event_facts.mutex);
      progress.grafts = event_facts.grafts;
      // Beginning and end of a phase of a release are those of all grafts, but where one is fetched.
      if (state == report::PhaseState::kRunning || phase_ == Phase::kFetch || event_facts.grafts == 0) {
        const auto path = event_facts.paths.find(phase_);
        progress.path = path != event_facts.paths.end() ? path->second : "";
        progress.graft = told_graft_ = event_facts.graft;
      }
      return report::progress_event(command, progress);
    });
  }

  const Phase phase_;
  const std::uint64_t total_bytes_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point told_at_;
  std::size_t told_graft_ = 0;
  std::uint64_t done_ = 0;
};

// What the line of a fetch says of a request that is sent again, until bytes come: "  try 2 of 5". A donor on a server
// may be fetched by another thread.
class RetryNote {
 public:
  void set(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
} retry_note;

std::string describe(std::uint64_t done, std::uint64_t total, double seconds) {
  if (done == 0) {
    return total > 0 ? fmt::format("  waiting for {}", format_bytes(total)) : "  waiting";
  }
  const auto rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  const auto speed = format_bytes(static_cast<std::uint64_t>(rate));
  if (done >= total) {
    return fmt::format("  {}  {}/s", format_bytes(done), speed);
  }
  const auto left = static_cast<std::uint64_t>(static_cast<double>(total - done) / rate);
  return fmt::format(" {:3}%  {} of {}  {}/s  {}:{:02} left", done * 100 / total, format_bytes(done),
                     format_bytes(total), speed, left / 60, left % 60);
}

// With a total of 0 the line shows no share.
Progress make_progress(Phase phase, std::string label, std::uint64_t total_bytes, bool visible) {
  return
      [is_fetch = phase == Phase::kFetch, label = std::move(label), total_bytes, visible, start = Clock::time_point(),
       done = std::uint64_t{0}, shown_at = Clock::time_point()](std::uint64_t bytes) mutable {
        done += bytes;
        if (is_fetch && bytes > 0) {
          retry_note.set("");
        }
        const auto now = Clock::now();
        // Work begins with the first call: what came before, as fetching the head, has a line of its own.
        if (start == Clock::time_point()) {
          start = shown_at = now;
        }
        if (visible && now - shown_at >= kInterval) {
          show_progress(fmt::format("{}{}{}", label,
                                    describe(done, total_bytes, std::chrono::duration<double>(now - start).count()),
                                    is_fetch ? retry_note.text() : ""));
          shown_at = now;
        }
        return !signal_is_noted();
      };
}

// What the line calls it: "read head"; empty for what it does not show.
std::string label_of(Phase phase, const PhaseNames& names) {
  if (const auto found = names.find(phase); found != names.end()) {
    return std::string(found->second);
  }
  if (phase == Phase::kPlan || phase == Phase::kWait) {
    return "";
  }
  std::string label(report::phase_name(phase));
  std::ranges::replace(label, '-', ' ');
  return label;
}

}  // namespace

Context make_context(FileSystem& files, const OutputOptions& options, const PhaseNames& names) {
  if (options.progress == ProgressWay::kJson) {
    return {files,
            [](Phase phase, std::uint64_t total_bytes) -> Progress {
              return [events = std::make_shared<PhaseEvents>(phase, total_bytes)](std::uint64_t bytes) {
                events->add(bytes);
                return !signal_is_noted();
              };
            },
            [](const Retry& retry) {
              write_event([&](std::string_view command) { return report::retry_event(command, retry); });
            }};
  }
  return {files,
          [visible = shows_progress(options), names](Phase phase, std::uint64_t total_bytes) {
            auto label = label_of(phase, names);
            const bool is_shown = visible && !label.empty();
            return make_progress(phase, std::move(label), total_bytes, is_shown);
          },
          [](const Retry& retry) { retry_note.set(fmt::format("  try {} of {}", retry.next_try, retry.tries_max)); }};
}

void set_phase_paths(const std::map<Phase, std::string>& paths) {
  const std::lock_guard lock(event_facts.mutex);
  for (const auto& [phase, path] : paths) {
    event_facts.paths[phase] = path;
  }
}

void set_graft(std::size_t number, std::size_t count, const std::string& output) {
  const std::lock_guard lock(event_facts.mutex);
  event_facts.graft = number;
  event_facts.grafts = count;
  for (const auto phase : {Phase::kCheck, Phase::kVerify, Phase::kWrite}) {
    event_facts.paths[phase] = output;
  }
}

bool shows_progress(const OutputOptions& options) {
  return stderr_erases_lines() && !options.quiet && !options.json && options.progress == ProgressWay::kAuto;
}

void show_progress(std::string_view text) {
  fmt::print(stderr, "\r\x1b[K{}", text);
  line_is_shown = true;
}

void erase_progress() {
  if (line_is_shown) {
    fmt::print(stderr, "\r\x1b[K");
    line_is_shown = false;
  }
}

}  // namespace mtpgraft::cli
