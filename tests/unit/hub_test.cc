#include "net/hub.h"

#include <cstdlib>
#include <fstream>

#include "matchers.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

std::string place_of(std::string_view path) {
  const auto result = parse_hub_path(path);
  return result.ok() ? result.value().repository + " | " + result.value().revision + " | " + result.value().name
                     : result.error().message;
}

TEST(HubPath, NamesARepositoryARevisionAndAFile) {
  EXPECT_EQ(place_of("hf://Qwen/Qwen3.5-9B"), "Qwen/Qwen3.5-9B |  | ");
  EXPECT_EQ(place_of("hf://Qwen/Qwen3.5-9B/"), "Qwen/Qwen3.5-9B |  | ");
  EXPECT_EQ(place_of("hf://o/n@v1.0"), "o/n | v1.0 | ");
  EXPECT_EQ(place_of("hf://o/n:a.gguf"), "o/n |  | a.gguf");
  EXPECT_EQ(place_of("hf://o/n/a.gguf"), "o/n |  | a.gguf");
  EXPECT_EQ(place_of("hf://o/n@v1:Q8_0/*.gguf"), "o/n | v1 | Q8_0/*.gguf");
  EXPECT_EQ(place_of("hf://o/n@v1/Q8_0/a.gguf"), "o/n | v1 | Q8_0/a.gguf");
  EXPECT_EQ(place_of("hf://o/n@feature/x:a.gguf"), "o/n | feature/x | a.gguf") << "the colon ends the revision";
  EXPECT_EQ(place_of("hf://o/n@refs/pr/1/a.gguf"), "o/n | refs/pr/1 | a.gguf");
  EXPECT_EQ(place_of("hf://o/n@refs/pr/1"), "o/n | refs/pr/1 | ");
}

TEST(HubPath, RefusesWhatNamesNone) {
  for (const auto* path :
       {"hf://", "hf://n", "hf://o/", "hf:///n", "hf://../n", "hf://o/..", "hf://o n/n", "hf://o/n?x", "hf://o/n@",
        "hf://o/n@/a", "hf://o/n@../x:a", "hf://o/n:../a", "hf://o/n/a/../b", "hf://o/n:/etc/passwd", "hf://o/n:a//b",
        "hf://o/n/a:b", "hf://o/n:a\nb", "hf:o/n"}) {
    EXPECT_THAT(parse_hub_path(path), FailsWith(ErrorCode::kUsage, "")) << path;
  }
}

// What a hub elsewhere serves in the place of the first one is called by its name, too.
std::string place_of_url(std::string_view url, std::string_view endpoint = "https://huggingface.co") {
  const auto result = parse_hub_url(url, endpoint);
  if (!result.ok()) {
    return result.error().message;
  }
  const auto& path = result.value();
  return path ? path->repository + " | " + path->revision + " | " + path->name : "none";
}

TEST(HubUrl, IsWhatABrowserShows) {
  const auto name_of = [](std::string_view url) { return place_of_url(url); };
  EXPECT_EQ(name_of("https://huggingface.co/o/n"), "o/n |  | ");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/tree/main"), "o/n | main | ");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/blob/main/a.gguf"), "o/n | main | a.gguf");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/resolve/main/b/a%20b.gguf?download=true"), "o/n | main | b/a b.gguf");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/resolve/refs%2Fpr%2F1/a.gguf"), "o/n | refs/pr/1 | a.gguf");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/tree/main/b"), "o/n | main | b");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/commit/" + kCommit), "o/n | " + kCommit + " | ");
  EXPECT_EQ(name_of("https://huggingface.co/o/n?show_file_info=b%2Fa.gguf&x=y"), "o/n |  | b/a.gguf");
  EXPECT_EQ(name_of("https://huggingface.co/o/n/resolve/main/../../x"), "none");
  EXPECT_EQ(name_of("https://huggingface.co.evil.org/o/n"), "none");
  EXPECT_EQ(name_of("https://cdn.org/o/n/resolve/main/a.gguf"), "none");
  EXPECT_EQ(place_of_url("https://huggingface.co/o/n", "https://mirror.org"), "o/n |  | ");
}

TEST(HubUrl, MayNameATagOrAFileAsOthersDo) {
  EXPECT_EQ(place_of_url("https://huggingface.co/o/n:Q8_0"), "o/n |  | Q8_0");
  EXPECT_EQ(place_of_url("https://huggingface.co/o/n@v1:Q8_0"), "o/n | v1 | Q8_0");
  EXPECT_EQ(place_of_url("https://huggingface.co/o/n:Q8_0", "https://mirror.org"), "o/n |  | Q8_0");
  EXPECT_EQ(place_of_url("https://huggingface.co/o/n/b/a.gguf"), "o/n |  | b/a.gguf");
  EXPECT_EQ(place_of_url("https://huggingface.co/api/resolve-cache/models/o/n/x/a.gguf"), "none");
  EXPECT_EQ(place_of_url("https://mirror.org/o/n/b/a.gguf", "https://mirror.org"), "none");
}

TEST(HubUrl, OfSomethingElseThanAModelIsRefused) {
  EXPECT_EQ(place_of_url("https://huggingface.co/datasets/o/n"), "names a dataset of the hub, not a model");
  EXPECT_EQ(place_of_url("https://huggingface.co/spaces/o/n", "https://mirror.org"),
            "names a space of the hub, not a model");
  EXPECT_EQ(place_of("hf://datasets/o/n"), "names a dataset of the hub, not a model");
  EXPECT_EQ(place_of("hf://buckets/o/n/a.gguf"), "names a bucket of the hub, not a model");
  EXPECT_EQ(place_of_url("https://huggingface.co/o"), "does not name an owner and a model");
  const auto refused = parse_hub_path("hf://models/o/n@v1:Q8_0");
  ASSERT_THAT(refused, FailsWith(ErrorCode::kUsage, "has 'models/' before owner and name"));
  EXPECT_EQ(refused.error().hint, "leave it out: hf://o/n@v1:Q8_0");
  EXPECT_EQ(parse_hub_url("https://huggingface.co/models/o/n?x=secret", "https://huggingface.co").error().hint,
            "leave it out: https://huggingface.co/o/n");
}

TEST(HubRepository, IsNamedAsPeopleDo) {
  for (const auto* text :
       {"https://huggingface.co/o/n", "http://huggingface.co/o/n/", "HTTPS://huggingface.co/o/n/tree/main",
        "https://www.huggingface.co/o/n", "huggingface.co/o/n", "hf.co/o/n", "https://hf.co/o/n?x=y", "hf://o/n",
        "hf://o/n@main", "o/n", " o/n\n"}) {
    EXPECT_EQ(hub_repository_of(text), "o/n") << text;
  }
  for (const auto* text :
       {"", "n", "https://huggingface.co/o", "https://huggingface.co/datasets/o/n", "https://huggingface.co/datasets/n",
        "huggingface.co/spaces/n", "https://example.org/o/n", "https://example.org/o/n/", "o/n/a.gguf", "o/n:a", "../n",
        "o/n;x", "o/$(n)", "o/n\nx", "https://u:p@huggingface.co/o/n", "ftp://o/n"}) {
    EXPECT_EQ(hub_repository_of(text), "") << text;
  }
}

TEST(HubRepository, IsOfTheCommitThatIsAskedFor) {
  const auto json = R"({"sha": ")" + kCommit + R"(", "siblings": []})";
  EXPECT_THAT(parse_repository(json, {"o/n", kCommit, ""}), IsOk());
  EXPECT_THAT(parse_repository(json, {"o/n", std::string(40, 'a'), ""}),
              FailsWith(ErrorCode::kMalformed, "is of another commit, " + kCommit));
}

TEST(HubUrl, OfAnotherPageOfTheHubIsNoFile) {
  for (const auto* page : {"discussions/1", "settings", "edit/main/config.json"}) {
    EXPECT_THAT(parse_hub_url("https://huggingface.co/o/n/" + std::string(page), "http://127.0.0.1:8080"),
                FailsWith(ErrorCode::kUsage, "is a page of the hub"));
  }
}

// What the hub tells of a repository's base models.
std::vector<std::string> base_models_of(const std::string& fields) {
  const auto parsed =
      parse_repository(R"({"sha": ")" + kCommit + R"(", "siblings": [], )" + fields + "}", {"o/n", "", ""});
  return parsed.ok() ? parsed.value().base_models : std::vector<std::string>{parsed.error().message};
}

TEST(HubRepository, TellsWhatItIsMadeOf) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  EXPECT_THAT(base_models_of(R"("cardData": {"base_model": "a/b"}, "tags": ["base_model:c/d"])"), ElementsAre("a/b"));
  EXPECT_THAT(base_models_of(R"("cardData": {"base_model": ["a/b", "https://huggingface.co/c/d", "a/b", 7]})"),
              ElementsAre("a/b", "c/d"));
  EXPECT_THAT(base_models_of(R"("tags": ["x", "base_model:a/b", "base_model:finetune:a/b", "base_model:merge:c/d"])"),
              ElementsAre("a/b", "c/d"));
  EXPECT_THAT(base_models_of(R"("cardData": {"base_model": null}, "tags": ["base_model:quantized:a/b"])"),
              ElementsAre("a/b"));
  for (const auto* fields :
       {R"("x": 1)", R"("cardData": null, "tags": null)", R"("cardData": "a/b", "tags": {"a": "b"})",
        R"("cardData": {"base_model": {"a": "b/c"}}, "tags": [["base_model:a/b"], 1])",
        R"("cardData": {"base_model": "../x"}, "tags": "base_model:..")"}) {
    EXPECT_THAT(base_models_of(fields), IsEmpty()) << fields;
  }
}

TEST(HubUrl, EscapesNames) {
  EXPECT_EQ(hub_api_url("https://h", {"o/n", "", ""}), "https://h/api/models/o/n/revision/main?blobs=true");
  EXPECT_EQ(hub_api_url("https://h", {"o/n", "refs/pr/1", ""}),
            "https://h/api/models/o/n/revision/refs%2Fpr%2F1?blobs=true");
  EXPECT_EQ(hub_file_url("https://h", "o/n", "abc", "d/a b?#%.gguf"),
            "https://h/o/n/resolve/abc/d/a%20b%3F%23%25.gguf");
}

Result<Repository> parse(const std::string& json) { return parse_repository(json, {"o/n", "main", ""}); }

TEST(RepositoryOfTheHub, HasFilesInOrderOfTheirNames) {
  const auto result = parse(R"({"sha": ")" + kCommit + R"(", "siblings": [
      {"rfilename": "model.safetensors", "size": 100, "lfs": {"sha256": "abc", "size": 100}},
      {"rfilename": "a/b.gguf", "size": 20}, {"rfilename": "README.md"}]})");
  ASSERT_THAT(result, IsOk());
  const auto& repository = result.value();
  EXPECT_EQ(repository.path, "hf://o/n@main");
  EXPECT_EQ(repository.commit, kCommit);
  EXPECT_EQ(repository.bytes(), 120U);
  ASSERT_NE(repository.find("model.safetensors"), nullptr);
  EXPECT_EQ(repository.find("model.safetensors")->sha256, "abc");
  EXPECT_EQ(repository.find("a/b.gguf")->size, 20U);
  EXPECT_EQ(repository.find("b.gguf"), nullptr);
}

TEST(RepositoryOfTheHub, HasFolders) {
  using ::testing::ElementsAre;
  Repository repository;
  for (const auto* name : {"a-b", "a.json", "a/b/1", "a/b/2", "a/c", "x"}) {
    repository.files.emplace_back().name = name;
  }
  EXPECT_THAT(names_in_folder(repository, ""), ElementsAre("a-b", "a.json", "a", "x"));
  EXPECT_THAT(names_in_folder(repository, "a"), ElementsAre("b", "c"));
  EXPECT_THAT(names_in_folder(repository, "a/b"), ElementsAre("1", "2"));
  EXPECT_THAT(names_in_folder(repository, "b"), ::testing::IsEmpty());
}

TEST(RepositoryOfTheHub, IsRefusedIfItIsNotWhatAHubSays) {
  const auto with = [](const std::string& siblings) {
    return R"({"sha": ")" + kCommit + R"(", "siblings": )" + siblings + "}";
  };
  EXPECT_THAT(parse("<html>"), FailsWith(ErrorCode::kMalformed, "is not a JSON object"));
  EXPECT_THAT(parse("{}"), FailsWith(ErrorCode::kMalformed, "has no commit"));
  EXPECT_THAT(parse(R"({"sha": "main", "siblings": []})"), FailsWith(ErrorCode::kMalformed, "has no commit"));
  EXPECT_THAT(parse(with("{}")), FailsWith(ErrorCode::kMalformed, "has no list 'siblings'"));
  for (const auto* name : {"/etc/passwd", "../x", "a/../b", "", "a//b", "a\\u0000b", "a\\nb"}) {
    EXPECT_THAT(parse(with(R"([{"rfilename": ")" + std::string(name) + R"("}])")),
                FailsWith(ErrorCode::kMalformed, "names a file"))
        << name;
  }
  EXPECT_THAT(parse(with("[1]")), FailsWith(ErrorCode::kMalformed, "names a file"));
  EXPECT_THAT(parse(std::string(100, '[')), FailsWith(ErrorCode::kMalformed, "nested"));
}

TEST(RepositoryOfTheHub, OfImpossibleSizeDoesNotOverflow) {
  const auto result =
      parse(R"({"sha": ")" + kCommit + R"(", "siblings": [{"rfilename": "a", "size": 18446744073709551615},
      {"rfilename": "b", "size": 2}]})");
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result.value().bytes(), UINT64_MAX);
}

TEST(HubNames, AreThoseOfModelsBranchesAndTags) {
  EXPECT_THAT(parse_hub_names(R"([{"id": "o/a", "x": 1}, {"id": "o/b"}, {}, 3])"),
              ::testing::ElementsAre("o/a", "o/b"));
  EXPECT_THAT(parse_hub_names(R"({"branches": [{"name": "main"}], "tags": [{"name": "v1"}], "converts": []})"),
              ::testing::ElementsAre("main", "v1"));
  for (const auto* json : {"", "<html>", "3", "{}", R"({"branches": 3})", R"([{"id": 3}])"}) {
    EXPECT_THAT(parse_hub_names(json), ::testing::IsEmpty()) << json;
  }
}

class HubSettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    forget_settings();
    ::setenv("XDG_CACHE_HOME", (directory_.path("cache")).c_str(), 1);
  }

  void TearDown() override { forget_settings(); }

  static void forget_settings() {
    for (const auto* name :
         {"HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HOME", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_OFFLINE"}) {
      ::unsetenv(name);
    }
  }

  std::filesystem::path write(const std::string& name, std::string_view text) {
    const std::filesystem::path path = directory_.path(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }

  TempDir directory_;
};

TEST_F(HubSettingsTest, AreThoseOfTheHubWithoutVariables) {
  const auto settings = read_hub_settings();
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings.value().endpoint, "https://huggingface.co");
  EXPECT_EQ(settings.value().token, "");
  EXPECT_EQ(settings.value().timeout_seconds, 30);
}

TEST_F(HubSettingsTest, FindTheTokenWhereTheHubsOwnToolDoes) {
  const auto token = [] { return read_hub_settings().value().token; };
  write("cache/huggingface/token", "of-cache\n");
  EXPECT_EQ(token(), "of-cache");
  ::setenv("HF_HOME", write("home/token", "of-home").parent_path().c_str(), 1);
  EXPECT_EQ(token(), "of-home");
  ::setenv("HF_TOKEN_PATH", write("mine", " of-path \r\n").c_str(), 1);
  EXPECT_EQ(token(), "of-path");
  ::setenv("HF_TOKEN_PATH", directory_.path("missing").c_str(), 1);
  EXPECT_THAT(read_hub_settings(), FailsWith(ErrorCode::kUsage, "no token can be read"));
  ::setenv("HF_TOKEN", "of-variable", 1);
  EXPECT_EQ(token(), "of-variable");
}

TEST_F(HubSettingsTest, RefuseVariablesThatCannotBeMeant) {
  ::setenv("HF_ENDPOINT", "https://mirror.org//", 1);
  EXPECT_EQ(read_hub_settings().value().endpoint, "https://mirror.org");
  for (const auto* endpoint : {"mirror.org", "ftp://mirror.org", "https://user:secret@mirror.org", "https://m.org?x"}) {
    ::setenv("HF_ENDPOINT", endpoint, 1);
    EXPECT_THAT(read_hub_settings(), FailsWith(ErrorCode::kUsage, "HF_ENDPOINT")) << endpoint;
  }
  ::unsetenv("HF_ENDPOINT");
  for (const auto* text : {"0", "-1", "1.5", "x", "99999"}) {
    ::setenv("HF_HUB_DOWNLOAD_TIMEOUT", text, 1);
    EXPECT_THAT(read_hub_settings(), FailsWith(ErrorCode::kUsage, "HF_HUB_DOWNLOAD_TIMEOUT")) << text;
  }
}

}  // namespace
}  // namespace mtpgraft
