#include "net/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "io/stream.h"
#include "mtpgraft/remote.h"
#include "net/curl_library.h"
#include "net/http_exchange.h"
#include "net/http_text.h"
#include "net/http_transfer.h"
#include "util/environment.h"

namespace mtpgraft {
namespace {

using Clock = HttpTransfer::Clock;
using std::chrono::milliseconds;

constexpr std::size_t kTransfersMax = 4;
constexpr milliseconds kProgressInterval(100);

class CurlClient : public HttpClient {
 public:
  explicit CurlClient(HttpSettings settings) : settings_(std::move(settings)), multi_(required(curl().multi_init())) {}

  Result<HttpDocument> get(const HttpFile& file, std::uint64_t bytes_max, const std::string& validator,
                           const Progress& progress) override {
    auto copy = file;
    DocumentExchange exchange(copy, bytes_max, validator);
    HttpExchange* const only = &exchange;
    MTPGRAFT_CHECK(run({&only, 1}, progress));
    return std::move(exchange).document();
  }

  Result<bool> is_unchanged(HttpFile& file, const Progress& progress) override {
    ChangeExchange exchange(file);
    HttpExchange* const only = &exchange;
    MTPGRAFT_CHECK(run({&only, 1}, progress));
    return exchange.is_unchanged();
  }

  Status get_ranges(std::span<HttpRange> ranges, const Progress& progress) override {
    std::vector<RangeExchange> exchanges(ranges.begin(), ranges.end());
    std::vector<HttpExchange*> pointers;
    pointers.reserve(exchanges.size());
    for (auto& exchange : exchanges) {
      pointers.push_back(&exchange);
    }
    return run(pointers, progress);
  }

 private:
  Status run(std::span<HttpExchange* const> exchanges, const Progress& progress);

  HttpSettings settings_;
  bool has_answer_ = false;  // of any server, to any request
  CurlMulti multi_;          // has the connections
};

Status CurlClient::run(std::span<HttpExchange* const> exchanges, const Progress& progress) {
  std::vector<std::unique_ptr<HttpTransfer>> transfers;
  while (transfers.size() < std::min(kTransfersMax, exchanges.size())) {
    transfers.push_back(std::make_unique<HttpTransfer>(multi_.get(), settings_, has_answer_));
  }
  while (true) {
    auto wake = Clock::now() + kProgressInterval;
    bool is_idle = true;
    for (const auto& transfer : transfers) {
      if (transfer->is_idle() && !exchanges.empty()) {
        MTPGRAFT_CHECK(transfer->begin(*exchanges.front()));
        exchanges = exchanges.subspan(1);
      }
      if (const auto start = transfer->next_start(); start && !transfer->is_idle()) {
        if (*start <= Clock::now()) {
          MTPGRAFT_CHECK(transfer->send());
        } else {
          wake = std::min(wake, *start);
        }
      }
      is_idle = is_idle && transfer->is_idle();
    }
    if (is_idle) {
      return ok_status();
    }

    int running = 0;
    if (const auto code = curl().multi_perform(multi_.get(), &running); code != CURLM_OK) {
      return Error{.code = ErrorCode::kIo, .message = fmt::format("libcurl failed: {}", curl().multi_strerror(code))};
    }
    bool has_ended = false;
    int waiting = 0;
    while (const auto* const message = curl().multi_info_read(multi_.get(), &waiting)) {
      HttpTransfer* transfer = nullptr;
      curl().easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      MTPGRAFT_CHECK(transfer->end(message->data.result));
      has_ended = true;
    }
    std::uint64_t received = 0;
    for (const auto& transfer : transfers) {
      if (transfer->is_stalled()) {
        MTPGRAFT_CHECK(transfer->end(CURLE_OPERATION_TIMEDOUT));
      }
      received += transfer->take_received();
    }
    MTPGRAFT_CHECK(report_progress(progress, received));
    if (!has_ended) {
      const auto pause = std::chrono::ceil<milliseconds>(wake - Clock::now()).count();
      curl().multi_poll(multi_.get(), nullptr, 0, static_cast<int>(std::max<std::int64_t>(pause, 0)), nullptr);
    }
  }
}

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options) {
  MTPGRAFT_CHECK(load_curl());
  if (std::ranges::any_of(options.token, [](char c) { return c < 0x21 || c > 0x7e; })) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the token has characters that no token has",
                 .hint = "look for spaces and line ends in HF_TOKEN or in the file of the token"};
  }
  auto certificates = environment("CURL_CA_BUNDLE");
  if (certificates.empty()) {
    certificates = environment("SSL_CERT_FILE");
  }
  HttpSettings settings{options, origin_of(options.token_origin), std::move(certificates)};
  return std::unique_ptr<HttpClient>(std::make_unique<CurlClient>(std::move(settings)));
}

bool has_http() { return true; }

std::string http_library() {
  return load_curl().ok() ? fmt::format("libcurl {}", curl().version_info(CURLVERSION_NOW)->version) : "";
}

}  // namespace mtpgraft
