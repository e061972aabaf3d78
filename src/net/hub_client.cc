#include "net/hub_client.h"

#include <utility>

#include "net/http_text.h"

namespace mtpgraft {
namespace {

class HubClient final : public HttpClient {
 public:
  HubClient(HttpOptions options, bool is_offline) : options_(std::move(options)), is_offline_(is_offline) {}

  Result<HttpDocument> get(const HttpFile& file, std::uint64_t bytes_max, const std::string& validator,
                           const Progress& progress) override {
    MTPGRAFT_CHECK(prepare(file));
    return client_->get(file, bytes_max, validator, progress);
  }

  Result<bool> is_unchanged(HttpFile& file, const Progress& progress) override {
    MTPGRAFT_CHECK(prepare(file));
    return client_->is_unchanged(file, progress);
  }

  Status get_ranges(std::span<HttpRange> ranges, const Progress& progress) override {
    for (const auto& range : ranges) {
      MTPGRAFT_CHECK(prepare(*range.file));
    }
    return ranges.empty() ? ok_status() : client_->get_ranges(ranges, progress);
  }

 private:
  Status prepare(const HttpFile& file) {
    if (is_offline_ && origin_of(file.url) == options_.token_origin) {
      return Error{.code = ErrorCode::kIo,
                   .message = "is not in a cache, or not all of it, and HF_HUB_OFFLINE forbids to ask the hub",
                   .path = file.path,
                   .hint = "unset HF_HUB_OFFLINE for this once, or let 'hf download' fetch it where that is allowed"};
    }
    if (!client_) {
      MTPGRAFT_TRY(client_, make_http_client(options_));
    }
    return ok_status();
  }

  HttpOptions options_;
  bool is_offline_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace

std::unique_ptr<HttpClient> make_hub_client(HttpOptions options, bool is_offline) {
  return std::make_unique<HubClient>(std::move(options), is_offline);
}

}  // namespace mtpgraft
