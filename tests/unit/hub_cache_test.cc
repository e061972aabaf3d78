#include "net/hub_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "util/hub_store.h"

namespace mtpgraft {
namespace {

TEST(HubStore, NamesAreThoseOfTheHub) {
  EXPECT_EQ(hub_store_name("Qwen/Qwen3.5-9B"), "models--Qwen--Qwen3.5-9B");
  EXPECT_EQ(hub_store_repository("models--Qwen--Qwen3.5-9B"), "Qwen/Qwen3.5-9B");
  EXPECT_EQ(hub_store_repository("models--gpt2"), "gpt2");
  EXPECT_EQ(hub_store_repository("datasets--a--b"), "");
}

TEST(HubStore, IsFoundAboveItsSnapshots) {
  EXPECT_EQ(hub_store_of("/c/models--a--b"), "/c/models--a--b");
  EXPECT_EQ(hub_store_of("/c/models--a--b/snapshots/0123/sub"), "/c/models--a--b");
  EXPECT_EQ(hub_store_of("/c/models--a--b/blobs/0123"), "");
  EXPECT_EQ(hub_store_of("/c/models/a/b"), "");
}

// As llama.cpp v0.5.0, common/hf-cache.cpp.
TEST(HubCache, IsWhereTheFirstVariableSays) {
  struct Variable {
    const char* name;
    const char* place;
  };
  const auto variables = std::to_array<Variable>({{"HOME", "/value/.cache/huggingface/hub"},
                                                  {"XDG_CACHE_HOME", "/value/huggingface/hub"},
                                                  {"HF_HOME", "/value/hub"},
                                                  {"HUGGINGFACE_HUB_CACHE", "/value"},
                                                  {"HF_HUB_CACHE", "/value"},
                                                  {"LLAMA_CACHE", "/value"}});
  std::vector<std::pair<const char*, std::optional<std::string>>> before;
  for (const auto& [name, place] : variables) {
    const auto* const value = std::getenv(name);
    before.emplace_back(name, value != nullptr ? std::optional<std::string>(value) : std::nullopt);
    ::unsetenv(name);
  }
  EXPECT_EQ(hub_cache_directory(), "");
  for (const auto& [name, place] : variables) {
    ::setenv(name, "/value", 1);
    EXPECT_EQ(hub_cache_directory(), place) << name;
    ::setenv(name, "/other", 1);
    EXPECT_NE(hub_cache_directory(), place) << name;
  }
  for (const auto& [name, value] : before) {
    value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
  }
}

}  // namespace
}  // namespace mtpgraft
