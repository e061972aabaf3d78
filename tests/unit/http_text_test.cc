#include "net/http_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "util/url.h"

namespace mtpgraft {
namespace {

TEST(HttpText, ContentRangeIsARangeOfAKnownWhole) {
  const auto range = parse_content_range("bytes 0-499/1234");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->range.offset, 0U);
  EXPECT_EQ(range->range.length, 500U);
  EXPECT_EQ(range->size, 1234U);
  EXPECT_EQ(parse_content_range("bytes 1233-1233/1234")->range.length, 1U);
  for (const auto* text :
       {"", "bytes", "bytes 0-499", "bytes 0-499/*", "bytes */1234", "bytes 500-499/1234", "bytes 0-1234/1234",
        "bytes 0-0/0", "bytes -1-4/9", "bytes 0-4/9 ", "bytes  0-4/9", "bytes 0x0-4/9", "bytes +0-4/9", "items 0-4/9",
        "bytes 0-4-5/9", "bytes 0/4-5", "bytes 0-18446744073709551616/18446744073709551617"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

TEST(HttpText, OriginIsSchemeHostAndPort) {
  EXPECT_EQ(origin_of("https://huggingface.co"), "https://huggingface.co:443");
  EXPECT_EQ(origin_of("HTTPS://HuggingFace.CO/o/n?x#y"), "https://huggingface.co:443");
  EXPECT_EQ(origin_of("https://huggingface.co?x@y"), "https://huggingface.co:443");
  EXPECT_EQ(origin_of("http://a.b"), "http://a.b:80");
  EXPECT_EQ(origin_of("http://127.0.0.1:8080/a:b@c"), "http://127.0.0.1:8080");
  EXPECT_EQ(origin_of("http://[::1]:8080/"), "http://[::1]:8080");
  EXPECT_EQ(origin_of("https://[::1]"), "https://[::1]:443");
}

TEST(HttpText, OriginOfWhatCouldBeReadInTwoWaysIsEmpty) {
  for (const auto* url : {"",
                          "huggingface.co",
                          "//huggingface.co",
                          "ftp://huggingface.co",
                          "file:///etc/passwd",
                          "https://",
                          "https:///x",
                          "https://user@huggingface.co",
                          "https://user:password@huggingface.co",
                          "https://huggingface.co@other.example",
                          "https://huggingface.co\\@other.example/",
                          "https://huggingface.co other.example",
                          "https://huggingface.co:",
                          "https://huggingface.co:0",
                          "https://huggingface.co:65536",
                          "https://huggingface.co:443x",
                          "https://huggingface%2eco",
                          "https://[::1",
                          "https://[::1]x",
                          "https://[fe80::1%25eth0]/",
                          "https://h\xc3\xbcgging.example/"}) {
    EXPECT_EQ(origin_of(url), "") << url;
  }
}

TEST(HttpText, LoopbackIsThisMachineOnly) {
  for (const auto* origin :
       {"http://localhost:80", "http://127.0.0.1:8080", "http://127.255.0.3:1", "http://[::1]:80"}) {
    EXPECT_TRUE(is_loopback(origin)) << origin;
  }
  for (const auto* origin : {"", "http://128.0.0.1:80", "http://127.0.0.1.example.org:80", "http://127.example:80",
                             "http://localhost.example:80", "http://127.0.0:80", "http://127.0.0.256:80",
                             "http://127.0.0.1.:80", "http://0127.0.0.1.1:80", "http://[::2]:80", "http://[::]:80"}) {
    EXPECT_FALSE(is_loopback(origin)) << origin;
  }
}

TEST(HttpText, MessagesShowNoSecretsOfUrls) {
  EXPECT_EQ(url_without_query("https://a.b/c/d?signature=1#x"), "https://a.b/c/d");
  EXPECT_EQ(url_without_query("https://a.b/c@d"), "https://a.b/c@d");
  EXPECT_EQ(url_without_query("https://user:pass@word@a.b/c"), "https://a.b/c");
  EXPECT_EQ(url_without_query("https://user@a.b"), "https://a.b");
  EXPECT_EQ(url_without_query("a@b"), "a@b");
}

class ExplainStatus : public testing::Test {
 protected:
  static Error hub(int status, std::string_view error_code, bool has_token) {
    const HttpFile file{"hf://o/n@main/a.gguf", "https://huggingface.co/o/n/resolve/main/a.gguf"};
    return explain_status(status, "GET " + file.url + " (bytes 0-99)", file, error_code, has_token);
  }
  static Error plain(int status) {
    const HttpFile file{"https://a.b/c.gguf", "https://a.b/c.gguf"};
    return explain_status(status, "GET " + file.url, file, "", false);
  }
};

TEST_F(ExplainStatus, NamesRequestAndStatus) {
  const auto error = hub(404, "EntryNotFound", false);
  EXPECT_EQ(error.code, ErrorCode::kIo);
  EXPECT_EQ(error.path, "hf://o/n@main/a.gguf");
  EXPECT_EQ(error.message, "GET https://huggingface.co/o/n/resolve/main/a.gguf (bytes 0-99): 404 Not Found");
  EXPECT_EQ(error.hint, "there is no such file: look at the name");
  EXPECT_EQ(plain(599).message, "GET https://a.b/c.gguf: 599");
}

TEST_F(ExplainStatus, KnowsWhatMayPass) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 520, 524, 599}) {
    EXPECT_TRUE(plain(status).is_retryable) << status;
    EXPECT_THAT(plain(status).hint, testing::StartsWith("try again later")) << status;
    EXPECT_EQ(plain(status).http_status, status);
  }
  for (const int status : {400, 401, 403, 404, 405, 407, 410, 416, 451, 501, 505}) {
    EXPECT_FALSE(plain(status).is_retryable) << status;
    EXPECT_THAT(plain(status).hint, testing::Not(testing::HasSubstr("try again"))) << status;
    EXPECT_EQ(plain(status).http_status, status);
  }
}

TEST_F(ExplainStatus, TakesARangeThatIsNoLongerThereForAChange) {
  const HttpFile longer{.path = "https://a.b/c.gguf", .url = "https://a.b/c.gguf", .size = 1000};
  EXPECT_TRUE(explain_status(416, "GET https://a.b/c.gguf", longer, "", false).is_retryable);
}

TEST_F(ExplainStatus, TellsHowToGetIntoAGatedRepository) {
  EXPECT_EQ(hub(401, "GatedRepo", false).hint,
            "accept its terms at https://huggingface.co/o/n in a browser, then give a token by HF_TOKEN or 'hf auth "
            "login'");
  EXPECT_EQ(hub(403, "GatedRepo", true).hint,
            "the token is not valid, or has no access to it yet: accept its terms at https://huggingface.co/o/n in a "
            "browser, with the "
            "account of the token");
}

TEST_F(ExplainStatus, TellsWhatATokenWouldChange) {
  EXPECT_EQ(hub(401, "", false).hint,
            "it is private or does not exist: look at the name, or give a token by HF_TOKEN or 'hf auth login'");
  EXPECT_EQ(hub(401, "", true).hint,
            "the token was refused: look whether it is still valid and may read this repository");
  EXPECT_EQ(hub(404, "RepoNotFound", true).hint,
            "there is no such repository, or the token may not see it: look at the name");
  EXPECT_EQ(hub(429, "", false).hint,
            "try again later, or give a token by HF_TOKEN or 'hf auth login': then more is allowed");
  EXPECT_EQ(hub(429, "", true).hint, "try again later");
}

TEST_F(ExplainStatus, OffersNoTokenToOtherServers) {
  EXPECT_EQ(plain(403).hint,
            "the server does not give it to everyone: download the file by other means, and name that");
  EXPECT_EQ(plain(429).hint, "try again later");
}

TEST_F(ExplainStatus, EveryStatusHasAHint) {
  for (int status = 400; status < 600; ++status) {
    EXPECT_NE(plain(status).hint, "") << status;
    EXPECT_NE(hub(status, "", true).hint, "") << status;
  }
}

}  // namespace
}  // namespace mtpgraft
