// Which projectors go with which models.
#include "mtpgraft/projector.h"

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"

namespace mtpgraft {
namespace {

using testing::HasSubstr;

// What of a Qwen3.6 projector tells its width.
GgufBuilder qwen_projector(std::uint64_t width) {
  GgufBuilder builder;
  builder.key("general.architecture", "clip")
      .key("general.type", "mmproj")
      .key("clip.has_vision_encoder", true)
      .key("clip.projector_type", "qwen3vl_merger")
      .key("clip.vision.embedding_length", 1152U)
      .floats("mm.2.weight", {1, width})
      .floats("mm.2.bias", {width});
  return builder;
}

GgufBuilder with_deepstack(GgufBuilder builder, int layers) {
  for (int i = 0; i < layers; ++i) {
    const auto prefix = "v.deepstack." + std::to_string(8 * i + 8);
    builder.floats(prefix + ".norm.weight", {4})
        .floats(prefix + ".fc1.weight", {4})
        .floats(prefix + ".fc2.weight", {4});
  }
  return builder;
}

// A file with one encoder and one tensor.
GgufBuilder projector_of(std::string_view encoder, std::string_view type, std::string_view tensor,
                         const std::vector<std::uint64_t>& shape) {
  GgufBuilder builder;
  builder.key("clip.has_" + std::string(encoder) + "_encoder", true)
      .key("clip.projector_type", type)
      .floats(tensor, shape);
  return builder;
}

GgufBuilder target_of(std::string_view architecture, std::uint32_t width) {
  GgufBuilder builder;
  builder.key("general.architecture", architecture).key(std::string(architecture) + ".embedding_length", width);
  return builder;
}

Result<Projector> try_read(const GgufBuilder& builder) {
  return read_projector(parse_model("mmproj.gguf", builder.build()).gguf);
}

Projector read(const GgufBuilder& builder) { return try_read(builder).value(); }

ProjectorFit check(const GgufBuilder& target, const GgufBuilder& projector) {
  return check_projector(parse_model("target.gguf", target.build()).gguf, read(projector));
}

TEST(Projector, FitsAModelOfItsWidth) {
  for (const std::string_view architecture : {"qwen35", "qwen35moe"}) {
    const auto fit = check(target_of(architecture, 5120), qwen_projector(5120));
    EXPECT_EQ(fit.fits, true);
    EXPECT_EQ(fit.reason, "");
    EXPECT_EQ(fit.projector.type, "qwen3vl_merger");
    EXPECT_EQ(fit.projector.encoder_width, 1152U);
    EXPECT_EQ(fit.projector.width, 5120U);
    EXPECT_EQ(fit.embedding_length, 5120U);
  }
}

TEST(Projector, DoesNotFitAModelOfAnotherWidth) {
  const auto fit = check(target_of("qwen35", 5120), qwen_projector(4096));
  EXPECT_EQ(fit.fits, false);
  EXPECT_EQ(fit.reason, "projects to 4096, embedding_length is 5120");
}

TEST(Projector, FitsAGraftAsItFitsTheTarget) {
  const auto target = load_model(kTarget);
  const auto graft = graft_model(target, load_model(kDonor));
  const auto placeholder = load_model("target-placeholder");
  for (const std::uint64_t width : {256U, 512U}) {
    const auto projector = read(qwen_projector(width));
    for (const auto* model : {&target, &graft, &placeholder}) {
      EXPECT_EQ(check_projector(model->gguf, projector).fits, width == 256) << model->gguf.path;
    }
  }
}

// Qwen3-VL's projector makes one further embedding for each of the model's first layers.
TEST(Projector, IsWiderByItsDeepstackLayers) {
  const auto projector = with_deepstack(qwen_projector(2048), 3);
  EXPECT_EQ(read(projector).width, 8192U);
  auto vl = target_of("qwen3vl", 2048);
  EXPECT_EQ(check(vl, projector).fits, false);
  vl.key("qwen3vl.n_deepstack_layers", 3U);
  EXPECT_EQ(check(vl, projector).fits, true);
  EXPECT_EQ(check(vl, qwen_projector(2048)).fits, false);
  EXPECT_THAT(check(vl, qwen_projector(2048)).reason, HasSubstr("3 deepstack layers"));
  EXPECT_EQ(check(target_of("qwen35", 2048), projector).fits, false);
  // llama.cpp does not read the key in qwen35 models.
  EXPECT_EQ(check(target_of("qwen35", 2048).key("qwen35.n_deepstack_layers", 3U), qwen_projector(2048)).fits, true);
}

TEST(Projector, HasItsWidthWhereItsTypePutsIt) {
  const auto width = [](std::string_view encoder, std::string_view type, std::string_view tensor) {
    return read(projector_of(encoder, type, tensor, {3, 7})).width;
  };
  EXPECT_EQ(width("vision", "glm4v", "mm.down.weight"), 7U);
  EXPECT_EQ(width("vision", "mimovl", "mm.2.weight"), 7U);
  EXPECT_EQ(width("vision", "gemma4v", "mm.input_projection.weight"), 7U);
  EXPECT_EQ(width("vision", "gemma3", "mm.input_projection.weight"), 3U);
  EXPECT_EQ(width("vision", "mlp", "mm.2.weight"), 7U);
  EXPECT_EQ(width("audio", "qwen2a", "mm.a.fc.weight"), 7U);
  // LLaVA of the Yi kind has its last layer at mm.3.
  EXPECT_EQ(read(projector_of("vision", "mlp", "mm.2.weight", {3, 7}).floats("mm.3.bias", {9})).width, 9U);
}

TEST(Projector, OfTwoEncodersHasOneWidth) {
  const auto both = [](std::uint64_t audio_width) {
    auto builder = projector_of("vision", "", "mm.input_projection.weight", {3, 7});
    builder.key("clip.vision.projector_type", "gemma4v")
        .key("clip.has_audio_encoder", true)
        .key("clip.audio.projector_type", "gemma4a")
        .floats("mm.a.input_projection.weight", {2, audio_width});
    return builder;
  };
  EXPECT_EQ(read(both(7)).type, "gemma4v, gemma4a");
  EXPECT_EQ(read(both(7)).width, 7U);
  EXPECT_EQ(read(both(8)).width, std::nullopt);
  EXPECT_EQ(read(both(8)).obstacle, "its encoders project to different widths, 7 and 8");
  // Qwen2.5-Omni names one type for its two encoders.
  const auto omni = projector_of("vision", "qwen2.5o", "mm.2.bias", {7})
                        .key("clip.has_audio_encoder", true)
                        .floats("mm.a.fc.weight", {2, 7});
  EXPECT_EQ(read(omni).type, "qwen2.5vl_merger, qwen2a");
  EXPECT_EQ(read(omni).width, 7U);
}

TEST(Projector, IsNotGuessedAbout) {
  const auto reason = [](const GgufBuilder& target, const GgufBuilder& projector) {
    const auto fit = check(target, projector);
    EXPECT_EQ(fit.fits, std::nullopt);
    return fit.reason;
  };
  const auto target = target_of("qwen35", 7);
  EXPECT_THAT(reason(target, qwen_projector(7).key("clip.projector_type", "novel")), HasSubstr("'novel' is not known"));
  EXPECT_EQ(reason(target, qwen_projector(7).without_key("clip.projector_type")), "it names no projector type");
  EXPECT_EQ(reason(target, qwen_projector(7).without_tensor("mm.2.bias")), "it has no tensor 'mm.2.bias'");
  EXPECT_THAT(reason(target, qwen_projector(7).key("clip.has_vision_encoder", false)), HasSubstr("neither"));
  EXPECT_EQ(reason(target_of("qwen35", 7).without_key("qwen35.embedding_length"), qwen_projector(7)),
            "the target has no key 'qwen35.embedding_length'");
  EXPECT_THAT(reason(target_of("other", 7).key("other.n_deepstack_layers", 3U), qwen_projector(7)),
              HasSubstr("n_deepstack_layers"));
  EXPECT_EQ(reason(GgufBuilder(), qwen_projector(7)), "the target has no general.architecture");
}

TEST(Projector, IsNothingElse) {
  const auto is = [](std::string_view what) {
    return FailsWith(ErrorCode::kUnsupported, "no clip.* keys; it is " + std::string(what));
  };
  EXPECT_THAT(read_projector(load_model(kTarget).gguf), is("a qwen35 model"));
  EXPECT_THAT(read_projector(load_model(kDonor).gguf), is("a qwen35 MTP head"));
  EXPECT_THAT(try_read(target_of("llama", 7).key("general.type", "adapter")), is("a LoRA adapter"));
  EXPECT_THAT(try_read(GgufBuilder()), is("a GGUF without general.architecture"));
}

}  // namespace
}  // namespace mtpgraft
