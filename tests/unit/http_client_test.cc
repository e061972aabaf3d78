#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "bad_server.h"
#include "matchers.h"
#include "mtpgraft/remote.h"
#include "net/http_exchange.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using testing::UnorderedElementsAre;

bool go_on(std::uint64_t bytes) {
  static_cast<void>(bytes);
  return true;
}

class HttpClientTest : public testing::Test {
 protected:
  void SetUp() override {
    if (http_library().empty()) {
      GTEST_SKIP() << "built without libcurl";
    }
    // The server is on this machine.
    ::setenv("NO_PROXY", "*", 1);
    for (int i = 0; i < 100000; ++i) {
      content_ += static_cast<char>(i * 31 + i / 251);
    }
    std::ofstream(folder_.path("file"), std::ios::binary) << content_;
    std::ofstream(folder_.path("empty"), std::ios::binary);
    server_ = std::make_unique<BadServer>(folder_.root(), folder_.path("log"));
    make_client({});
  }

  void make_client(HttpOptions options) {
    options.user_agent = "test/1";
    auto made = make_http_client(options);
    ASSERT_THAT(made, IsOk());
    client_ = std::move(made).value();
  }
  void make_client_with_token() {
    HttpOptions options;
    options.token = "hf_secret";
    options.token_origin = server_->origin();
    make_client(options);
  }

  void make_client_that_tells(std::vector<Retry>& told) {
    HttpOptions options;
    options.tell_retry = [&told](const Retry& retry) { told.push_back(retry); };
    make_client(options);
  }

  [[nodiscard]] HttpFile file(const std::string& behaviour, const std::string& name = "file") const {
    return {"the model", server_->origin() + "/" + behaviour + "/" + name};
  }

  // What came of each range is in got_.
  Status get_ranges(HttpFile& file, const std::vector<ByteRange>& ranges, const Progress& progress = go_on) {
    got_.assign(ranges.size(), "");
    finished_ = 0;
    std::vector<HttpRange> wanted;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      wanted.push_back({&file, ranges[i],
                        [this, i, &file](std::span<const std::byte> bytes) {
                          EXPECT_TRUE(file.size);
                          got_[i].append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                          return ok_status();
                        },
                        [this] {
                          ++finished_;
                          return ok_status();
                        }});
    }
    return client_->get_ranges(wanted, progress);
  }
  // Of one that is expected.
  Error error_of(HttpFile& file, const ByteRange& range = {0, 16384}) {
    auto status = get_ranges(file, {range});
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(finished_, 0);
    return status.ok() ? Error{} : status.error();
  }
  Error error_of(const std::string& behaviour) {
    auto asked = file(behaviour);
    auto error = error_of(asked);
    EXPECT_EQ(error.code, ErrorCode::kIo);
    EXPECT_EQ(error.path, "the model");
    return error;
  }
  // How messages name the first request.
  [[nodiscard]] std::string request(const std::string& behaviour) const {
    return "GET " + server_->origin() + "/" + behaviour + "/file (bytes 0-16383): ";
  }
  TempDir folder_;
  std::string content_;
  std::unique_ptr<BadServer> server_;
  std::unique_ptr<HttpClient> client_;
  std::vector<std::string> got_;
  int finished_ = 0;
};

// Ranges

TEST_F(HttpClientTest, GetsRangesAndPinsTheFile) {
  auto good = file("good");
  std::uint64_t told = 0;
  ASSERT_THAT(get_ranges(good, {{0, 1}, {1, 999}, {99999, 1}, {5000, 20000}, {1000, 4000}, {30000, 1}},
                         [&](std::uint64_t bytes) {
                           told += bytes;
                           return true;
                         }),
              IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(0, 1), content_.substr(1, 999), content_.substr(99999),
                                content_.substr(5000, 20000), content_.substr(1000, 4000), content_.substr(30000, 1)));
  EXPECT_EQ(finished_, 6);
  EXPECT_EQ(told, 25002U);
  EXPECT_EQ(good.size, 100000U);
  EXPECT_EQ(good.validator, "\"first\"");
  EXPECT_EQ(good.redirected_url, "");
  EXPECT_THAT(server_->requests(),
              UnorderedElementsAre("GET /good/file bytes=0-0 -", "GET /good/file bytes=1-999 -",
                                   "GET /good/file bytes=99999-99999 -", "GET /good/file bytes=5000-24999 -",
                                   "GET /good/file bytes=1000-4999 -", "GET /good/file bytes=30000-30000 -"));
}

TEST_F(HttpClientTest, FirstRangeMayPassTheEndOfTheFile) {
  auto good = file("good");
  ASSERT_THAT(get_ranges(good, {{99000, 1U << 20}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(99000)));
  EXPECT_EQ(good.size, 100000U);
}

TEST_F(HttpClientTest, NothingToGetSendsNothing) {
  auto good = file("good");
  EXPECT_THAT(get_ranges(good, {}), IsOk());
  EXPECT_THAT(server_->requests(), IsEmpty());
}

TEST_F(HttpClientTest, EmptyFileHasNoRange) {
  auto empty = file("good", "empty");
  const auto error = error_of(empty);
  EXPECT_EQ(error.message, "GET " + server_->origin() + "/good/empty (bytes 0-16383): 416 Range Not Satisfiable");
  EXPECT_EQ(error.hint, "the file is empty");
  EXPECT_FALSE(error.is_retryable);
}

TEST_F(HttpClientTest, UsesTheDateWhereThereIsNoEtag) {
  auto only_date = file("only-date");
  ASSERT_THAT(get_ranges(only_date, {{0, 10}}), IsOk());
  EXPECT_EQ(only_date.validator, "Wed, 21 Oct 2015 07:28:00 GMT");
}

TEST_F(HttpClientTest, TakesAWeakEtagForWhatItNames) {
  auto weak = file("weak-etag");
  ASSERT_THAT(get_ranges(weak, {{0, 10}}), IsOk());
  EXPECT_EQ(weak.validator, "\"first\"");
}

TEST_F(HttpClientTest, RefusesWhatIsNotTheVeryRangeBeforeItsBodyIsUsed) {
  struct Refusal {
    const char* behaviour;
    const char* reason;
  };
  constexpr auto kRefusals = std::to_array<Refusal>({
      {"no-ranges", "the server answered 200, not 206: it does not serve ranges"},
      {"no-content", "the server answered 204, not 206"},
      {"other-range", "the server answered with bytes 1-16384"},
      {"no-content-range", "the answer does not say which range it is: Content-Range is ''"},
      {"unknown-total", "the answer does not say which range it is: Content-Range is 'bytes 0-16383/*'"},
      {"multipart", "the server answered with several ranges, where one was asked for"},
      {"compressed", "the answer is encoded as 'gzip', which was not asked for"},
      {"too-much", "the answer has 200000 bytes, more than its range"},
      {"no-validator", "the answer has neither ETag nor Last-Modified, so that a change could not be seen"},
  });
  for (const auto& refusal : kRefusals) {
    const auto error = error_of(refusal.behaviour);
    EXPECT_EQ(error.message, request(refusal.behaviour) + refusal.reason);
    EXPECT_EQ(error.hint, kFetchOtherwise) << refusal.behaviour;
    EXPECT_THAT(got_, Each(IsEmpty())) << refusal.behaviour;
  }
  EXPECT_THAT(server_->requests(), SizeIs(kRefusals.size())) << "none is tried again";
}

TEST_F(HttpClientTest, RefusesMoreThanTheRangeWhereOnlyTheBodyTells) {
  EXPECT_EQ(error_of("too-much-in-chunks").message,
            request("too-much-in-chunks") + "the answer has more bytes than its range");
  EXPECT_TRUE(content_.substr(0, 16384).starts_with(got_[0]));
}

TEST_F(HttpClientTest, NoticesAnotherStateOfTheFile) {
  auto changes = file("changes");
  ASSERT_THAT(get_ranges(changes, {{0, 10}}), IsOk());
  const auto error = error_of(changes);
  EXPECT_EQ(error.message, request("changes") +
                               "the file changed on the server while it was read: it was \"first\", and is \"second\"");
  EXPECT_EQ(error.hint, "try again");
  EXPECT_THAT(got_, Each(IsEmpty()));
}

TEST_F(HttpClientTest, NoticesAnotherSizeOfTheFile) {
  auto changes = file("other-total");
  ASSERT_THAT(get_ranges(changes, {{0, 10}}), IsOk());
  EXPECT_EQ(
      error_of(changes).message,
      request("other-total") + "the file changed on the server while it was read: it had 100000 bytes, and has 100001");
}

TEST_F(HttpClientTest, NoticesAChangeHalfWay) {
  EXPECT_EQ(error_of("changes-half-way").message,
            "GET " + server_->origin() +
                "/changes-half-way/file (bytes 1000-16383): the file changed on the server while it was read: it was "
                "\"first\", and is \"second\"");
  EXPECT_THAT(got_, ElementsAre(content_.substr(0, 1000)));
}

TEST_F(HttpClientTest, StopsWhereItsUserFails) {
  auto good = file("good");
  const auto fail = [] { return Status(Error{ErrorCode::kIo, "disk full"}); };
  std::vector<HttpRange> ranges{{&good, {0, 10}, [&](std::span<const std::byte>) { return fail(); }, ok_status}};
  EXPECT_THAT(client_->get_ranges(ranges, go_on), FailsWith(ErrorCode::kIo, "disk full"));
  ranges[0] = {&good, {0, 10}, [](std::span<const std::byte>) { return ok_status(); }, fail};
  EXPECT_THAT(client_->get_ranges(ranges, go_on), FailsWith(ErrorCode::kIo, "disk full"));
  // The connection is none the worse for it.
  EXPECT_THAT(get_ranges(good, {{0, 10}}), IsOk());
}

// Trying again

TEST_F(HttpClientTest, GoesOnFromTheLastByte) {
  auto short_body = file("short-body");
  ASSERT_THAT(get_ranges(short_body, {{500, 2500}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(500, 2500)));
  EXPECT_EQ(finished_, 1);
  EXPECT_THAT(server_->requests(),
              ElementsAre("GET /short-body/file bytes=500-2999 -", "GET /short-body/file bytes=1500-2999 -",
                          "GET /short-body/file bytes=2500-2999 -"));
}

TEST_F(HttpClientTest, GoesOnAfterAStall) {
  HttpOptions options;
  options.timeout_seconds = 1;
  make_client(options);
  auto stalls = file("stalls-once");
  ASSERT_THAT(get_ranges(stalls, {{0, 3000}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(0, 3000)));
  EXPECT_THAT(server_->requests(),
              ElementsAre("GET /stalls-once/file bytes=0-2999 -", "GET /stalls-once/file bytes=1000-2999 -"));
}

TEST_F(HttpClientTest, MakesLongerAndLongerPauses) {
  auto empty = file("empty-body-twice");
  const auto start = std::chrono::steady_clock::now();
  ASSERT_THAT(get_ranges(empty, {{0, 10}}), IsOk());
  EXPECT_THAT(server_->requests(), SizeIs(3));
  // 0.5 + 1 seconds, of which chance takes a quarter at most.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1125));
}

TEST_F(HttpClientTest, GivesUpOnAServerThatStaysUnavailable) {
  const auto error = error_of("unavailable");
  EXPECT_EQ(error.message, request("unavailable") + "503 Service Unavailable (tried 5 times)");
  EXPECT_EQ(error.hint, "try again later");
  EXPECT_EQ(error.http_status, 503);
  EXPECT_TRUE(error.is_retryable);
  EXPECT_THAT(server_->requests(), SizeIs(5));
}

TEST_F(HttpClientTest, WaitsAsLongAsTheServerAsks) {
  auto busy = file("busy-once");
  const auto start = std::chrono::steady_clock::now();
  ASSERT_THAT(get_ranges(busy, {{0, 10}}), IsOk());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_THAT(server_->requests(), SizeIs(2));
}

TEST_F(HttpClientTest, TellsBeforeItTriesAgain) {
  std::vector<Retry> told;
  make_client_that_tells(told);
  auto empty = file("empty-body-twice");
  ASSERT_THAT(get_ranges(empty, {{0, 10}}), IsOk());
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_EQ(told[0].path, "the model");
  EXPECT_THAT(told[0].reason, StartsWith("GET " + empty.url + " (bytes 0-9): "));
  EXPECT_EQ(told[0].next_try, 2);
  EXPECT_EQ(told[1].next_try, 3);
  EXPECT_EQ(told[1].tries_max, 5);
  EXPECT_GE(told[1].pause, std::chrono::milliseconds(750));
}

// A name of a server that is wrong stays wrong; a server that has answered before may come back.
TEST_F(HttpClientTest, TriesToReachAServerAgainOnlyIfOneHasAnswered) {
  std::vector<Retry> told;
  make_client_that_tells(told);
  for (const auto* url : {"http://127.0.0.1:1/file", "https://server.invalid/file"}) {
    HttpFile nowhere{"the model", url};
    const auto error = error_of(nowhere);
    EXPECT_TRUE(error.is_retryable);
    EXPECT_THAT(error.message, Not(HasSubstr("tried")));
  }
  EXPECT_THAT(told, IsEmpty());
  auto there = file("good");
  ASSERT_THAT(get_ranges(there, {{0, 10}}), IsOk());
  HttpFile nowhere{"the model", "http://127.0.0.1:1/file"};
  EXPECT_THAT(error_of(nowhere).message, EndsWith("(tried 5 times)"));
  EXPECT_THAT(told, SizeIs(4));
}

TEST_F(HttpClientTest, DoesNotWaitForAnHour) {
  const auto error = error_of("busy-for-an-hour");
  EXPECT_EQ(error.message, request("busy-for-an-hour") + "429 Too Many Requests; the server asks to wait 3600 s");
  EXPECT_EQ(error.http_status, 429);
  EXPECT_TRUE(error.is_retryable);
  EXPECT_THAT(server_->requests(), SizeIs(1));
}

TEST_F(HttpClientTest, UnderstandsADateToComeBackAt) {
  EXPECT_THAT(error_of("busy-until-a-date").message, testing::ContainsRegex("the server asks to wait 3[56]..? s$"));
}

TEST_F(HttpClientTest, StopsAtOnceWhileItWaits) {
  for (const auto* behaviour : {"never-answers", "busy-once"}) {
    auto asked = file(behaviour);
    const auto start = std::chrono::steady_clock::now();
    const auto status = get_ranges(asked, {{0, 10}}, [&](std::uint64_t) {
      return std::chrono::steady_clock::now() - start < std::chrono::milliseconds(300);
    });
    EXPECT_THAT(status, FailsWith(ErrorCode::kInterrupted, "interrupted"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << "not only after the timeout";
  }
}

TEST_F(HttpClientTest, DoesNotTryInVain) {
  const auto error = error_of("missing");
  EXPECT_EQ(error.message, request("missing") + "404 Not Found");
  EXPECT_EQ(error.hint, "there is no such file: look at the name");
  EXPECT_EQ(error.http_status, 404);
  EXPECT_FALSE(error.is_retryable);
  EXPECT_EQ(error_of("beyond").message, request("beyond") + "416 Range Not Satisfiable");
  EXPECT_THAT(server_->requests(), SizeIs(2));
}

TEST_F(HttpClientTest, SaysWhichCertificatesCanBeNamed) {
  HttpFile tls{"the model", "https" + server_->origin().substr(4) + "/good/file"};
  const auto error = error_of(tls);
  EXPECT_THAT(error.message, StartsWith("GET " + tls.url + " (bytes 0-16383): no TLS connection: "));
  EXPECT_THAT(error.hint, AllOf(HasSubstr("CURL_CA_BUNDLE"), HasSubstr("SSL_CERT_FILE")));
  ::unsetenv("CURL_CA_BUNDLE");
  for (const auto* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    const auto certificates = folder_.path(variable);
    ::setenv(variable, certificates.c_str(), 1);
    make_client({});
    EXPECT_THAT(error_of(tls).message, HasSubstr(certificates));
  }
  ::unsetenv("SSL_CERT_FILE");
  ::unsetenv("CURL_CA_BUNDLE");
}

// Redirects and tokens

TEST_F(HttpClientTest, FollowsRelativeRedirects) {
  auto twice = file("twice");
  ASSERT_THAT(get_ranges(twice, {{0, 10}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(0, 10)));
  EXPECT_EQ(twice.redirected_url, server_->origin() + "/good/file");
  // From now on without the detour.
  ASSERT_THAT(get_ranges(twice, {{10, 10}}), IsOk());
  EXPECT_THAT(server_->requests(), ElementsAre("GET /twice/file bytes=0-9 -", "GET /there/file bytes=0-9 -",
                                               "GET /good/file bytes=0-9 -", "GET /good/file bytes=10-19 -"));
}

TEST_F(HttpClientTest, EndsEndlessRedirects) {
  const auto error = error_of("endless");
  EXPECT_EQ(error.message, request("endless") + "more than 10 redirects");
  EXPECT_EQ(error.hint, kFetchOtherwise);
  EXPECT_THAT(server_->requests(), SizeIs(11));
}

TEST_F(HttpClientTest, RefusesRedirectsThatLeadAstray) {
  const auto redirected = [&](const std::string& behaviour) {
    return "GET " + server_->origin() + "/" + behaviour + "/file: redirected to ";
  };
  EXPECT_EQ(error_of("to-other-host").message,
            redirected("to-other-host") +
                "http://192.0.2.1/model.gguf: http is neither encrypted nor protected against changes");
  EXPECT_EQ(error_of("to-file").message,
            redirected("to-file") + "file:///etc/passwd: not a URL of http or https with a host and no user name");
  EXPECT_EQ(error_of("to-user").message, redirected("to-user") + server_->other_origin() +
                                             "/good/file: not a URL of http or https with a host and no user name");
  EXPECT_EQ(error_of("to-nowhere").message,
            request("to-nowhere") + "the server answered 302, without a place that can be asked");
  EXPECT_THAT(server_->requests(), SizeIs(4));
}

TEST_F(HttpClientTest, SendsTheTokenToItsOriginOnly) {
  make_client_with_token();
  auto asked = file("to-other-port");
  ASSERT_THAT(get_ranges(asked, {{0, 10}}), IsOk());
  ASSERT_THAT(get_ranges(asked, {{10, 10}}), IsOk());
  EXPECT_EQ(asked.redirected_url, server_->other_origin() + "/good/file?secret=1");
  EXPECT_THAT(server_->requests(),
              ElementsAre("GET /to-other-port/file bytes=0-9 token", "GET /good/file?secret=1 bytes=0-9 -",
                          "GET /good/file?secret=1 bytes=10-19 -"));
}

TEST_F(HttpClientTest, SendsTheTokenAgainAfterARedirectWithinItsOrigin) {
  make_client_with_token();
  auto asked = file("twice");
  ASSERT_THAT(get_ranges(asked, {{0, 10}}), IsOk());
  EXPECT_THAT(server_->requests(), AllOf(SizeIs(3), Each(EndsWith("token"))));
}

TEST_F(HttpClientTest, SaysWhatAGatedRepositoryNeeds) {
  EXPECT_EQ(error_of("gated").message, request("gated") + "401 Unauthorized");
  EXPECT_THAT(error_of("gated").hint, HasSubstr("give a token by HF_TOKEN"));
  make_client_with_token();
  const auto error = error_of("gated");
  EXPECT_EQ(error.message, request("gated") + "403 Forbidden");
  EXPECT_THAT(error.hint, HasSubstr("or has no access to it yet"));
}

TEST_F(HttpClientTest, RefusesATokenThatIsNone) {
  HttpOptions options;
  for (const auto* token : {"hf_secret\r\nX-Injected: 1", "hf secret", "hf_s\xc3\xa9"}) {
    options.token = token;
    const auto made = make_http_client(options);
    ASSERT_THAT(made, FailsWith(ErrorCode::kUsage, "the token has characters that no token has"));
    EXPECT_THAT(made.error().message + made.error().hint, Not(HasSubstr("hf")));
  }
}

TEST_F(HttpClientTest, AsksForANewSignatureWhenOneExpires) {
  auto signed_file = file("signed");
  ASSERT_THAT(get_ranges(signed_file, {{0, 10}}), IsOk());
  ASSERT_THAT(get_ranges(signed_file, {{10, 10}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(10, 10)));
  EXPECT_EQ(signed_file.redirected_url, server_->origin() + "/once/file?signature=1");
  EXPECT_THAT(server_->requests(),
              ElementsAre("GET /signed/file bytes=0-9 -", "GET /once/file?signature=0 bytes=0-9 -",
                          "GET /once/file?signature=0 bytes=10-19 -", "GET /signed/file bytes=10-19 -",
                          "GET /once/file?signature=1 bytes=10-19 -"));
}

TEST_F(HttpClientTest, FailsWhereANewSignatureIsNoBetter) {
  auto asked = file("good");
  asked.url = server_->origin() + "/once/file";
  ASSERT_THAT(get_ranges(asked, {{0, 10}}), IsOk());
  asked.redirected_url = asked.url;
  EXPECT_EQ(error_of(asked).message, "GET " + server_->origin() + "/once/file (bytes 0-16383): 403 Forbidden");
  EXPECT_THAT(server_->requests(), SizeIs(3));
}

TEST_F(HttpClientTest, LooksForAnotherServerWhenOneIsGone) {
  auto asked = file("to-closed-port");
  ASSERT_THAT(get_ranges(asked, {{0, 10}}), IsOk());
  EXPECT_THAT(asked.redirected_url, StartsWith(server_->other_origin()));
  ASSERT_THAT(get_ranges(asked, {{10, 10}}), IsOk());
  EXPECT_THAT(got_, ElementsAre(content_.substr(10, 10)));
  EXPECT_EQ(asked.redirected_url, "");
}

// Documents

TEST_F(HttpClientTest, GetsDocuments) {
  const auto got = client_->get(file("good"), 100000, "", go_on);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got.value().status, 200);
  EXPECT_EQ(got.value().body, content_);
  EXPECT_EQ(got.value().validator, "\"first\"");
  EXPECT_THAT(server_->requests(), ElementsAre("GET /good/file - -"));
}

TEST_F(HttpClientTest, GetsDocumentsOnlyIfTheyHaveChanged) {
  EXPECT_EQ(client_->get(file("good"), 100000, "\"first\"", go_on).value().status, 304);
  EXPECT_EQ(client_->get(file("good"), 100000, "\"older\"", go_on).value().body, content_);
  EXPECT_EQ(client_->get(file("only-date"), 100000, "Wed, 21 Oct 2015 07:28:00 GMT", go_on).value().status, 304);
}

TEST_F(HttpClientTest, ReturnsTheStatusOfADocumentThatIsNotThere) {
  const auto got = client_->get(file("gated"), 100000, "", go_on);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got.value().status, 401);
  EXPECT_EQ(got.value().error_code, "GatedRepo");
  EXPECT_EQ(got.value().body, "");
}

TEST_F(HttpClientTest, RefusesDocumentsThatAreTooLarge) {
  for (const auto* behaviour : {"good", "chunked"}) {
    const auto got = client_->get(file(behaviour), 99999, "", go_on);
    ASSERT_THAT(got, FailsWith(ErrorCode::kMalformed, ""));
    EXPECT_EQ(got.error().message,
              "GET " + server_->origin() + "/" + behaviour + "/file: the answer has more than 97.7 KiB");
    EXPECT_EQ(client_->get(file(behaviour), 100000, "", go_on).value().body, content_);
  }
}

TEST_F(HttpClientTest, StartsADocumentAgainThatBrokeOff) {
  EXPECT_EQ(client_->get(file("short-document"), 100000, "", go_on).value().body, content_);
  EXPECT_THAT(server_->requests(), SizeIs(2));
}

TEST_F(HttpClientTest, DocumentsMustComeAsTheyAre) {
  EXPECT_THAT(client_->get(file("compressed"), 100000, "", go_on),
              FailsWith(ErrorCode::kIo, "the answer is encoded as 'gzip'"));
  EXPECT_THAT(client_->get(file("no-content"), 100000, "", go_on),
              FailsWith(ErrorCode::kIo, "the server answered 204, not 200"));
  EXPECT_THAT(client_->get(file("unavailable"), 100000, "", go_on),
              FailsWith(ErrorCode::kIo, "503 Service Unavailable (tried 5 times)"));
}

// Whether a file has changed

TEST_F(HttpClientTest, AsksWhetherAFileHasChanged) {
  const auto is_unchanged = [&](const std::string& behaviour, const std::string& validator, std::uint64_t size) {
    auto asked = file(behaviour);
    asked.validator = validator;
    asked.size = size;
    return client_->is_unchanged(asked, go_on).value();
  };
  EXPECT_TRUE(is_unchanged("good", "\"first\"", 100000));
  EXPECT_FALSE(is_unchanged("good", "\"older\"", 100000));
  EXPECT_TRUE(is_unchanged("weak-etag", "\"first\"", 100000)) << "by an answer with a byte";
  EXPECT_FALSE(is_unchanged("weak-etag", "\"first\"", 99999));
  EXPECT_TRUE(is_unchanged("only-date", "Wed, 21 Oct 2015 07:28:00 GMT", 100000));
  EXPECT_THAT(server_->requests(), Each(HasSubstr(" bytes=0-0 ")));
}

TEST_F(HttpClientTest, CannotTellWhetherAFileHasChangedWithoutAnAnswer) {
  auto asked = file("missing");
  EXPECT_THAT(client_->is_unchanged(asked, go_on), FailsWith(ErrorCode::kIo, "(bytes 0-0): 404 Not Found"));
  asked = file("no-ranges");
  EXPECT_THAT(client_->is_unchanged(asked, go_on), FailsWith(ErrorCode::kIo, "the server answered 200, not 206"));
}

TEST_F(HttpClientTest, EndsAnAnswerWithoutEndToWhetherAFileHasChanged) {
  auto asked = file("byte-by-byte");
  asked.validator = "\"first\"";
  asked.size = 100000;
  const auto begin = std::chrono::steady_clock::now();
  const auto patient = [&](std::uint64_t) {
    return std::chrono::steady_clock::now() - begin < std::chrono::seconds(20);
  };
  EXPECT_THAT(client_->is_unchanged(asked, patient),
              FailsWith(ErrorCode::kIo, "(bytes 0-0): the answer has more bytes than its range"));
}

// URLs

TEST(HttpUrl, HttpIsForThisMachineUnlessAllowed) {
  const auto message_of = [](const std::string& url, const std::string& from, bool allow_http) {
    const auto status = check_url({"the model", "https://a.b/c"}, url, from, allow_http);
    return status.ok() ? "" : status.error().message;
  };
  for (const bool allow_http : {false, true}) {
    EXPECT_EQ(message_of("https://a.b/c", "", allow_http), "");
    EXPECT_EQ(message_of("https://a.b/c", "http://127.0.0.1:80/x", allow_http), "");
    EXPECT_EQ(message_of("http://127.0.0.1:80/c", "https://localhost/c", allow_http), "");
    EXPECT_EQ(message_of("http://127.0.0.1:80/c", "https://a.b/c", allow_http),
              "GET https://a.b/c: redirected to http://127.0.0.1:80/c: that leads from another machine to this one");
    EXPECT_EQ(message_of("http://cdn.b/c?signature=1", "https://a.b/c?d", allow_http),
              "GET https://a.b/c: redirected to http://cdn.b/c: that leads from https to http");
  }
  EXPECT_EQ(message_of("http://a.b/c?d", "", true), "");
  EXPECT_EQ(message_of("http://a.b/c?d", "", false),
            "http://a.b/c: http is neither encrypted nor protected against changes");
  EXPECT_EQ(check_url({"x", "y"}, "http://a.b/c", "", false).error().code, ErrorCode::kUsage);
  EXPECT_EQ(message_of("https://user:password@a.b/c", "", true),
            "https://a.b/c: not a URL of http or https with a host and no user name");
}

TEST(HttpClient, SaysThatItWasLeftOut) {
  if (!http_library().empty()) {
    GTEST_SKIP() << "built with " << http_library();
  }
  EXPECT_THAT(make_http_client({}), FailsWith(ErrorCode::kUnsupported, "this mtpgraft was built without libcurl"));
}

}  // namespace
}  // namespace mtpgraft
