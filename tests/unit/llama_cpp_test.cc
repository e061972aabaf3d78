#include "report/llama_cpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models.h"

namespace mtpgraft::report {
namespace {

using testing::StartsWith;

Summary summary_of(std::string_view name) { return summarise(load_model(name).gguf); }

TEST(LlamaCpp, IsToldOfWithWhatToDo) {
  for (const std::string_view name :
       {kTarget, std::string_view("target-placeholder"), kDonor, std::string_view("target-broken-head"),
        std::string_view("target-shard"), std::string_view("donor-tensors-only-no-keys")}) {
    const auto summary = summary_of(name);
    EXPECT_NE(describe_runtime(summary), "") << name;
    EXPECT_NE(describe_next_step(summary, "model.gguf"), "") << name;
  }
}

TEST(LlamaCpp, GetsCommandsThatCanBePasted) {
  EXPECT_THAT(describe_next_step(summary_of(kTarget), "a b.gguf"), StartsWith("mtpgraft graft 'a b.gguf' DONOR "));
  EXPECT_EQ(describe_next_step(summary_of("target-with-head"), "https://host/models/a.gguf"),
            "llama-server -m a.gguf --spec-type draft-mtp");
}

TEST(LlamaCpp, KnowsNoFileWithoutArchitecture) {
  EXPECT_EQ(describe_runtime({}), "b10256 has no MTP code for this architecture and refuses such a file with a head");
}

}  // namespace
}  // namespace mtpgraft::report
