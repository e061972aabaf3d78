// Measuring what a head brings, as far as no server is needed: command lines, answers, figures and verdicts.
#include "mtpgraft/bench.h"

#include "bench/command.h"
#include "bench/measure.h"
#include "matchers.h"

namespace mtpgraft {
namespace {

using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(BenchCommand, StartsWithoutDraftingFirstAndLast) { EXPECT_THAT(start_order({1, 3}), ElementsAre(0, 1, 3, 0)); }

TEST(BenchCommand, OnlyADepthDrafts) {
  BenchRequest request{.models = {"m.gguf"}, .server_arguments = {"-ngl", "99"}};
  EXPECT_THAT(server_command(request, "m.gguf", 0, {4242, "k"}),
              ElementsAre("-m", "m.gguf", "--host", "127.0.0.1", "--port", "4242", "--api-key", "k", "-np", "1",
                          "--metrics", "-ngl", "99"));
  const auto drafting = server_command(request, "m.gguf", 2, {4242, "k"});
  EXPECT_THAT(std::vector(drafting.end() - 4, drafting.end()),
              ElementsAre("--spec-type", "draft-mtp", "--spec-draft-n-max", "2"));
}

TEST(BenchCommand, DraftArgumentsAreWordsWithTheDepth) {
  EXPECT_THAT(draft_words("--spec-type mtp  --draft-max {n} x{n}y", 3),
              ElementsAre("--spec-type", "mtp", "--draft-max", "3", "x3y"));
}

TEST(BenchCommand, WhatIsMeasuredIsNotSaidToTheServer) {
  for (const auto* argument :
       {"-m", "--model", "--port", "--spec-type", "--draft-max", "-np", "-md", "--host", "--metrics", "-hf"}) {
    EXPECT_THAT(check_server_arguments({"-ngl", "99", argument}), FailsWith(ErrorCode::kUsage, argument)) << argument;
  }
  EXPECT_THAT(check_server_arguments({"--spec-draft-n-max=2"}),
              FailsWith(ErrorCode::kUsage, "--spec-draft-n-max cannot be given"));
  EXPECT_THAT(check_server_arguments({"-ngl", "99", "-fa", "on", "-c", "8192", "--mlock"}), IsOk());
}

TEST(BenchCommand, VariablesOfTheServerThatWouldChangeTheBaselineAreCleared) {
  EXPECT_THAT(server_environment({"PATH=/bin", "LLAMA_ARG_SPEC_TYPE=draft-mtp", "LLAMA_ARG_MODEL_DRAFT=x",
                                  "LLAMA_ARG_PORT=1", "LLAMA_ARG_N_GPU_LAYERS=99", "LLAMA_API_KEY=k"}),
              ElementsAre("PATH=/bin", "LLAMA_ARG_N_GPU_LAYERS=99"));
}

// As v0.5.0 prints it.
constexpr auto kMetrics =
    R"(# HELP llamacpp:spec_decode_num_draft_tokens_total Speculative: Total draft tokens generated
# TYPE llamacpp:spec_decode_num_draft_tokens_total counter
llamacpp:spec_decode_num_draft_tokens_total 600
llamacpp:spec_decode_num_accepted_tokens_total 480
llamacpp:spec_decode_num_drafts_total 200
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 0.5
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="0"} 190
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="1"} 160
llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="2"} 1.3e+02
)";

TEST(BenchCommand, DevicesAreThoseThatTheServerLists) {
  EXPECT_EQ(
      parse_devices("ggml_cuda_init: found 1\nAvailable devices:\n  CUDA0: NVIDIA H200 (143771 MiB, 143000 MiB free)\n"
                    "  BLAS: OpenBLAS (0 MiB, 0 MiB free)\n"),
      (std::vector<std::string>{"NVIDIA H200", "OpenBLAS"}));
  EXPECT_EQ(parse_devices("Available devices:\n  (none)\n"), std::vector<std::string>());
  EXPECT_EQ(parse_devices("error: unknown argument: --list-devices\n"), std::nullopt);
}

TEST(BenchMeasure, CountersOfMetrics) {
  const auto counters = parse_metrics(kMetrics);
  EXPECT_EQ(counters.drafted, 600U);
  EXPECT_EQ(counters.accepted, 480U);
  EXPECT_EQ(counters.steps, 200U);
  EXPECT_THAT(counters.accepted_at, ElementsAre(190, 160, 130));
  const auto counted = difference({100, 80, 40, {38, 30}}, counters);
  EXPECT_EQ(counted.drafted, 500U);
  EXPECT_EQ(counted.steps, 160U);
  EXPECT_THAT(counted.accepted_at, ElementsAre(152, 130, 130));
}

TEST(BenchMeasure, AServerWithoutCountersTellsNothing) {
  const auto counters = parse_metrics("<html>\nllamacpp:spec_decode_num_drafts_total many\n");
  EXPECT_FALSE(counters.steps.has_value());
  EXPECT_THAT(counters.accepted_at, IsEmpty());
  EXPECT_THAT(
      parse_metrics(R"(llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="4000000000"} 1)").accepted_at,
      IsEmpty());
}

TEST(BenchMeasure, AnswersOfTextAndChat) {
  const auto text = parse_answer(
      R"({"content":"abc","timings":{"predicted_n":256,"predicted_ms":4000.0,"draft_n":300,"draft_n_accepted":150}})",
      false);
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(text.value().text, "abc");
  EXPECT_EQ(text.value().tokens, 256U);
  EXPECT_DOUBLE_EQ(text.value().tokens_per_second(), 64);
  EXPECT_EQ(text.value().accepted, 150U);
  const auto chat = parse_answer(
      R"({"choices":[{"message":{"content":"so","reasoning_content":"hm "}}],"timings":{"predicted_n":2,"predicted_ms":1}})",
      true);
  ASSERT_THAT(chat, IsOk());
  EXPECT_EQ(chat.value().text, "hm so");
  EXPECT_THAT(parse_answer("<html>", false), FailsWith(ErrorCode::kMalformed, "is not JSON"));
  EXPECT_THAT(parse_answer(R"({"content":"abc"})", false), FailsWith(ErrorCode::kMalformed, "has no timings"));
  EXPECT_THAT(parse_answer(R"({"timings":{},"choices":[]})", true), FailsWith(ErrorCode::kMalformed, "has no choices"));
}

TEST(BenchMeasure, TheGapIsThatOfTheToken) {
  const auto* body =
      R"({"completion_probabilities":[{"token":"ab","top_logprobs":[{"logprob":-0.1},{"logprob":-3.0}]},
          {"token":"cd","top_logprobs":[{"logprob":-0.7},{"logprob":-0.75}]}]})";
  EXPECT_THAT(find_gap(body, 0).value(), DoubleNear(2.9, 1e-9));
  EXPECT_THAT(find_gap(body, 1).value(), DoubleNear(0.05, 1e-9));
  EXPECT_FALSE(find_gap(body, 2).has_value());
  EXPECT_FALSE(find_gap("{}", 0).has_value());
  EXPECT_FALSE(find_gap(R"({"completion_probabilities":[7]})", 0).has_value());
}

// '"' and then "\n\n", or '"\n' and then "\n": the tokens part two bytes before the texts do.
TEST(BenchMeasure, TokensCanDifferBeforeTexts) {
  const auto answered = [](const char* body) { return parse_answer(body, false).value(); };
  const auto result = add_up(std::vector<BenchRun>{
      {.depth = 0, .answers = {answered(R"({"content":"a\"\n\nb","tokens":[5,1,2,6],"timings":{"predicted_n":4}})")}},
      {.depth = 1, .answers = {answered(R"({"content":"a\"\n\nc","tokens":[5,3,4,7],"timings":{"predicted_n":4}})")}}});
  ASSERT_THAT(result.differences, SizeIs(1));
  EXPECT_EQ(result.differences[0].offset, 4U);
  EXPECT_EQ(result.differences[0].token, 1U);
}

TEST(BenchMeasure, Quartiles) {
  const auto [lower, median, upper] = quartiles_of({4, 1, 3, 2, 5});
  EXPECT_DOUBLE_EQ(lower, 2);
  EXPECT_DOUBLE_EQ(median, 3);
  EXPECT_DOUBLE_EQ(upper, 4);
}

BenchAnswer answer(double speed, std::uint64_t drafted = 0, std::uint64_t accepted = 0, std::string text = "same") {
  return {.tokens = 100, .seconds = 100 / speed, .drafted = drafted, .accepted = accepted, .text = std::move(text)};
}

TEST(BenchMeasure, FiguresOfADepth) {
  const std::vector<BenchRun> runs{
      {.depth = 0, .answers = {answer(50), answer(100)}},
      {.depth = 2, .answers = {answer(75, 80, 60), answer(160, 80, 70, "sane")}, .steps = 80, .accepted_at = {76, 54}},
      {.depth = 0, .answers = {answer(50), answer(100)}}};
  const auto result = add_up(runs);
  ASSERT_THAT(result.depths, SizeIs(1));
  const auto& depth = result.depths[0];
  EXPECT_EQ(depth.drafted, 160U);
  EXPECT_DOUBLE_EQ(depth.acceptance.value(), 130.0 / 160);
  EXPECT_THAT(depth.acceptance_by_position, ElementsAre(0.95, 0.675));
  EXPECT_DOUBLE_EQ(depth.tokens_per_step.value(), 200.0 / 70);
  EXPECT_DOUBLE_EQ(depth.speedup->median, 1.55);
  EXPECT_THAT(depth.prompts_of_other_text, ElementsAre(1));
  ASSERT_THAT(result.differences, SizeIs(1));
  EXPECT_EQ(result.differences[0].offset, 2U);
  EXPECT_EQ(find_best_depth(result), 0U);
}

// Two runs of the same that differ by a tenth say nothing of a speed-up by a twentieth.
TEST(BenchMeasure, WhatNoiseExplainsIsNoSpeedup) {
  const auto measured = [](double speed) {
    return add_up(std::vector<BenchRun>{{.depth = 0, .answers = {answer(100), answer(100)}},
                                        {.depth = 1, .answers = {answer(speed, 10, 9), answer(speed, 10, 9)}},
                                        {.depth = 0, .answers = {answer(110), answer(110)}}});
  };
  EXPECT_FALSE(measured(110).depths[0].speedup.has_value());
  EXPECT_THAT(measured(110).depths[0].speedup_doubt, HasSubstr("two runs without drafting differ by 10 %"));
  EXPECT_TRUE(measured(130).depths[0].speedup.has_value());
  EXPECT_FALSE(find_best_depth(measured(110)).has_value());
}

TEST(BenchMeasure, WithoutASecondRunNothingTellsTheNoise) {
  const auto result = add_up(std::vector<BenchRun>{{.depth = 0, .answers = {answer(100), answer(100)}},
                                                   {.depth = 1, .answers = {answer(200), answer(200)}}});
  EXPECT_FALSE(result.noise.has_value());
  EXPECT_FALSE(result.depths[0].speedup.has_value());
  EXPECT_THAT(result.depths[0].speedup_doubt, HasSubstr("2.00, and there is no second run"));
}

TEST(BenchMeasure, PromptsThatDisagreeTellNoSpeedup) {
  const auto result = add_up(std::vector<BenchRun>{{.depth = 0, .answers = {answer(100), answer(100), answer(100)}},
                                                   {.depth = 1, .answers = {answer(70), answer(120), answer(140)}},
                                                   {.depth = 0, .answers = {answer(100), answer(100), answer(100)}}});
  EXPECT_FALSE(result.depths[0].speedup.has_value());
  EXPECT_THAT(result.depths[0].speedup_doubt, HasSubstr("half of the prompts lie between"));
}

TEST(BenchMeasure, AServerThatRunsHasNoBaseline) {
  const auto result = add_up(std::vector<BenchRun>{{.depth = std::nullopt, .answers = {answer(50, 10, 9)}}});
  ASSERT_THAT(result.depths, SizeIs(1));
  EXPECT_FALSE(result.depths[0].speedup.has_value());
  EXPECT_THAT(result.depths[0].speedup_doubt, IsEmpty());
  EXPECT_EQ(result.baseline_tokens_per_second, 0);
}

TEST(BenchMeasure, AnswersOfFewTokensSayNothingOfSpeed) {
  auto brief = answer(1000, 2, 2);
  brief.tokens = 3;
  const auto result = add_up(std::vector<BenchRun>{{.depth = 0, .answers = {brief, answer(100)}},
                                                   {.depth = 1, .answers = {brief, answer(150, 50, 40)}},
                                                   {.depth = 0, .answers = {brief, answer(100)}}});
  EXPECT_DOUBLE_EQ(result.baseline_tokens_per_second, 100);
  EXPECT_DOUBLE_EQ(result.depths[0].tokens_per_second, 150);
  EXPECT_DOUBLE_EQ(result.depths[0].speedup->median, 1.5);
}

BenchResult result_of(double acceptance, std::optional<double> speedup) {
  DepthResult depth{.depth = 1, .drafted = 1000, .acceptance = acceptance};
  if (speedup) {
    depth.speedup = Quartiles{*speedup, *speedup, *speedup};
  }
  return {.models = {{.model = "m.gguf", .depths = {depth}}}};
}

TEST(BenchVerdict, AHeadThatDraftsNoiseIsAProblem) {
  EXPECT_THAT(judge_bench(result_of(0.002, 0.6), {}).problems, ElementsAre(HasSubstr("a wrong or a dead one")));
  EXPECT_TRUE(judge_bench(result_of(0.4, {}), {}).ok());
}

TEST(BenchVerdict, GoalsThatAreMissed) {
  EXPECT_THAT(judge_bench(result_of(0.8, 1.4), {.acceptance_min = 0.9}).problems, ElementsAre(HasSubstr("0.900")));
  EXPECT_THAT(judge_bench(result_of(0.8, 1.4), {.speedup_min = 1.5}).problems, ElementsAre(HasSubstr("speed-up 1.40")));
  EXPECT_THAT(judge_bench(result_of(0.8, {}), {.speedup_min = 1.1}).problems, ElementsAre(HasSubstr("no speed-up")));
  EXPECT_TRUE(judge_bench(result_of(0.95, 1.6), {0.9, 1.5, true}).ok());
  EXPECT_TRUE(judge_bench(result_of(0.8, 0.7), {.speedup_min = 0.5}).ok());
  EXPECT_THAT(judge_bench(result_of(0.8, 0.7), {.speedup_min = 3}).problems, ElementsAre(HasSubstr("speed-up 0.70")));
}

TEST(BenchCards, AreThoseOfWholeMeasurements) {
  const auto cards = parse_bench_cards(
      R"({"schema_version":1,"command":"bench","ok":true,"result":{"models":[)"
      R"({"model":"out/a.gguf","complete":true,"card":"A"},{"model":"b.gguf","complete":false,"card":"B"}]}})");
  ASSERT_THAT(cards, IsOk());
  EXPECT_EQ(cards.value(), (std::map<std::string, std::string>{{"a.gguf", "A"}}));
}

TEST(BenchPrompts, AreNineOfOurOwnOrThoseOfAnArray) {
  EXPECT_THAT(built_in_prompts(), SizeIs(9));
  const auto prompts = parse_bench_prompts(R"(["one", "two"])");
  ASSERT_THAT(prompts, IsOk());
  EXPECT_EQ(prompts.value()[1].kind, "prompt 2");
  EXPECT_EQ(prompts.value()[1].text, "two");
  EXPECT_THAT(parse_bench_prompts(R"(["one", ""])"), FailsWith(ErrorCode::kMalformed, "element 2"));
}

}  // namespace
}  // namespace mtpgraft
