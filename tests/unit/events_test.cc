#include "report/events.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mtpgraft::report {
namespace {

nlohmann::json event_of(std::string_view command, const PhaseProgress& progress) {
  const auto line = progress_event(command, progress);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  return nlohmann::json::parse(line);
}

TEST(Events, KeepTheSignatureOfAUrlToThemselves) {
  const auto event = event_of("graft", {Phase::kFetch, PhaseState::kRunning, "https://a.b/c.gguf?sig=secret", 1, 0, 0});
  EXPECT_EQ(event["path"], "https://a.b/c.gguf");
  EXPECT_EQ(event_of("strip", {Phase::kPlan, PhaseState::kBegin, "who?.gguf", 0, 0, 0})["path"], "who?.gguf");
}

TEST(Events, PassNoTotal) {
  const auto event = event_of("graft", {Phase::kFetch, PhaseState::kRunning, "a.gguf", 12, 10, 1.23456});
  EXPECT_EQ(event["bytes_done"], 10);
  EXPECT_EQ(event["seconds"], 1.235);
  const auto endless = event_of("graft", {Phase::kFetch, PhaseState::kRunning, "", 12, 0, 0});
  EXPECT_EQ(endless["bytes_done"], 12);
  EXPECT_TRUE(endless["bytes_total"].is_null());
  EXPECT_TRUE(endless["path"].is_null());
}

TEST(Events, TellOfATryThatComes) {
  const auto line = retry_event(
      "graft", {"https://a.b/c.gguf?sig=secret", 2, 5, "nothing came for 30 s", std::chrono::milliseconds(530)});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(line), (nlohmann::json{{"schema_version", 1},
                                                         {"event", "retry"},
                                                         {"command", "graft"},
                                                         {"path", "https://a.b/c.gguf"},
                                                         {"try", 2},
                                                         {"of", 5},
                                                         {"reason", "nothing came for 30 s"},
                                                         {"pause_seconds", 0.53}}));
}

TEST(Events, AreLinesWhateverIsInAName) {
  const auto line = warning_event("graft", {"name-ignored", "a\nb\x1b\xff\"c"});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(nlohmann::json::parse(line)["message"], "a\nb\x1b\xEF\xBF\xBD\"c");
}

}  // namespace
}  // namespace mtpgraft::report
