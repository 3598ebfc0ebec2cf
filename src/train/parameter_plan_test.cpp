// Counts of whole models by their configuration, against what papers and PEFT report of them.
#include "train/parameter_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/errors.h"
#include "io/tiny_encoder_test_util.h"
#include "libtorch/prelude.h"
#include "train/train_test_util.h"

namespace svtune {
namespace parameter_plan_test {

struct Shape {
  const char* family;
  std::int64_t hidden, inner, layers, heads, kv_heads, head_dim, vocab;
  bool tied = false;
};

constexpr Shape kLlama2_7B{"llama", 4096, 11008, 32, 32, 32, 128, 32000};
constexpr Shape kLlama3_8B{"llama", 4096, 14336, 32, 32, 8, 128, 128256};
constexpr Shape kLlama32_3B{"llama", 3072, 8192, 28, 24, 8, 128, 128256, true};
constexpr Shape kGemma2B{"gemma", 2048, 16384, 18, 8, 1, 256, 256000, true};
constexpr Shape kGemma7B{"gemma", 3072, 24576, 28, 16, 16, 256, 256000, true};

Json config_of(const Shape& shape) {
  return {{"model_type", shape.family},
          {"hidden_size", shape.hidden},
          {"intermediate_size", shape.inner},
          {"num_hidden_layers", shape.layers},
          {"num_attention_heads", shape.heads},
          {"num_key_value_heads", shape.kv_heads},
          {"head_dim", shape.head_dim},
          {"vocab_size", shape.vocab},
          {"tie_word_embeddings", shape.tied},
          {"hidden_act", std::string(shape.family) == "gemma" ? "gelu" : "silu"},
          {"rms_norm_eps", 1e-6},
          {"rope_theta", 10000.0},
          {"max_position_embeddings", 4096},
          {"torch_dtype", "bfloat16"}};
}

ParameterPlan plan(const Shape& shape, const MethodConfig& method,
                   const std::vector<std::string>& targets = {}) {
  TargetOptions chosen;
  chosen.target_modules = targets;
  return plan_parameters(config_of(shape), "test", method, chosen, {.dtype = at::kBFloat16});
}

std::int64_t count(const Shape& shape, const MethodConfig& method,
                   const std::vector<std::string>& targets = {}) {
  return plan(shape, method, targets).start.trainable;
}

LoraConfig lora(std::int64_t rank) { return {.low_rank = {.rank = rank}}; }
DoraConfig dora(std::int64_t rank) { return {.low_rank = {.rank = rank}}; }
PissaConfig pissa(std::int64_t rank) { return {.low_rank = {.rank = rank}}; }

SvftConfig plain_svft() {
  SvftConfig config;
  config.pattern = SvftPattern::kPlain;
  return config;
}

SvftConfig random_svft(std::int64_t bandwidth) {
  SvftConfig config;
  config.pattern = SvftPattern::kRandom;
  config.bandwidth = bandwidth;
  return config;
}

SvftConfig banded_svft(std::int64_t bandwidth) {
  SvftConfig config = random_svft(bandwidth);
  config.pattern = SvftPattern::kBanded;
  return config;
}

const std::vector<std::string> kFive = {"q_proj", "k_proj", "v_proj", "up_proj", "down_proj"};

// PiSSA 2404.02948: r = 128 on all seven kinds of Llama-2-7B.
TEST(ParameterPlan, PissaOnLlama2IsThePapersCount) {
  const ParameterPlan got = plan(kLlama2_7B, pissa(128));
  EXPECT_EQ(got.start.trainable, 319815680);
  EXPECT_EQ(got.start.total, 6738415616);
  EXPECT_EQ(got.start.layers.size(), 7u * 32);
  PissaConfig recomputed = pissa(128);
  recomputed.initial_factors = InitialFactors::kRecompute;
  EXPECT_EQ(count(kLlama2_7B, recomputed), 319815680);
}

// SVFT 2405.19597, table 1, where a row is that of its own formula and names its kinds: q, k, v,
// up and down of Gemma, up, down, o and gate of Llama 3 (for SVFT), up, down and gate (for LoRA).
TEST(ParameterPlan, CountsAreThoseOfSvftsTable) {
  EXPECT_EQ(count(kGemma2B, plain_svft()), 193536);         // 0.19M
  EXPECT_EQ(count(kGemma2B, random_svft(16)), 6352416);     // 6.35M
  EXPECT_EQ(count(kGemma2B, banded_svft(8)), 3281040);      // 3.3M, its table 5
  EXPECT_EQ(count(kGemma7B, plain_svft(), kFive), 430080);  // 0.43M
  EXPECT_EQ(count(kGemma7B, random_svft(16)), 19816384);    // 19.8M
  EXPECT_EQ(count(kLlama3_8B, random_svft(12), {"up_proj", "down_proj", "o_proj", "gate_proj"}),
            13087232);                                    // 13.1M
  EXPECT_EQ(count(kGemma2B, lora(32), kFive), 26247168);  // 26.2M
  EXPECT_EQ(count(kGemma2B, lora(1), kFive), 820224);     // 0.82M
  EXPECT_EQ(count(kGemma2B, dora(16), kFive), 13501440);  // 13.5M
  EXPECT_EQ(count(kGemma2B, dora(1), kFive), 1198080);    // 1.19M
  EXPECT_EQ(count(kGemma7B, lora(32), kFive), 68812800);  // 68.8M
  EXPECT_EQ(count(kGemma7B, dora(16), kFive), 35524608);  // 35.5M
  EXPECT_EQ(count(kGemma7B, dora(1), kFive), 3268608);    // 3.26M
  const std::vector<std::string> mlp = {"up_proj", "down_proj", "gate_proj"};
  EXPECT_EQ(count(kLlama3_8B, lora(32), mlp), 56623104);  // 56.6M
  EXPECT_EQ(count(kLlama3_8B, lora(1), mlp), 1769472);    // 1.77M
}

// What PEFT counted in its MetaMathQA comparison on Llama-3.2-3B: q and v unless said otherwise.
TEST(ParameterPlan, CountsArePeftsOnLlama32) {
  const std::vector<std::string> qv = {"q_proj", "v_proj"};
  EXPECT_EQ(count(kLlama32_3B, lora(64), qv), 18350080);
  EXPECT_EQ(count(kLlama32_3B, lora(32), qv), 9175040);
  EXPECT_EQ(count(kLlama32_3B, lora(10), {"up_proj", "down_proj", "gate_proj"}), 9461760);
  EXPECT_EQ(count(kLlama32_3B, dora(32), qv), 9289728);
  AdaloraConfig adalora;
  adalora.rank = 64;
  adalora.target_rank = 32;
  EXPECT_EQ(count(kLlama32_3B, adalora, qv), 18353664);
  EXPECT_EQ(count(kLlama32_3B, VeraConfig{}, qv), 129024);
  EXPECT_EQ(count(kLlama32_3B, BoftConfig{}, qv), 802816);
  EXPECT_EQ(count(kLlama32_3B, FullConfig{}), 3212749824);
}

// Rows of papers between singular vectors, and what authors' code counts.
TEST(ParameterPlan, CountsBetweenSingularVectorsAreTheAuthors) {
  // LoRA-XS 2405.17604, table 2: Mistral-7B has the layers of Llama-3-8B.
  EXPECT_EQ(count(kLlama3_8B, LoraXsConfig{.rank = 16}), 57344);  // 0.057M
  EXPECT_EQ(count(kLlama3_8B, LoraXsConfig{}), 917504);           // 0.92M at rank 64
  EXPECT_EQ(count(kLlama3_8B, lora(64)), 167772160);              // its LoRA, 168M
  // PiCa's script for Gemma-2B (github.com/hjunseoh/PiCa): one [out, 256] for each of five kinds.
  EXPECT_EQ(count(kGemma2B, PicaConfig{}, kFive), 256 * (2048 + 2 * 256 + 16384 + 2048));
  // TinyLoRA 2602.04118: 13 numbers for a whole model.
  EXPECT_EQ(count(kLlama3_8B, TinyloraConfig{.numbers = 13, .tie = TinyloraTie::kAll}), 13);
}

struct Preset {
  MethodConfig method;
  std::int64_t expected;
};

// Sums over the seven layers of each of Llama-2-7B's 32 blocks.
constexpr std::int64_t kBlocks = 32, kKinds = 7, kDirections = 7 * 4096;
constexpr std::int64_t kInputs = 6 * 4096 + 11008, kOutputs = 5 * 4096 + 2 * 11008;

// Of every method with its defaults, by the formula of docs/methods.md.
std::vector<Preset> presets() {
  constexpr std::int64_t both = kInputs + kOutputs;
  return {{PissaConfig{}, kBlocks * 16 * both},
          {MiloraConfig{}, kBlocks * 16 * both},
          {LoraConfig{}, kBlocks * 16 * both},
          {DeltaLoraConfig{}, kBlocks * 16 * both},
          {DoraConfig{}, kBlocks * (16 * both + kOutputs)},
          {AdaloraConfig{}, kBlocks * 12 * (both + kKinds)},
          {SorsaConfig{}, kBlocks * 16 * (both + kKinds)},
          {KasaConfig{}, kBlocks * 16 * (both + kKinds)},
          {FloraConfig{}, kBlocks * both},
          {VeraConfig{}, kBlocks * (256 * kKinds + kOutputs)},
          {OftConfig{}, kBlocks * kInputs * 31 / 2},
          {BoftConfig{}, kBlocks * (4 * kInputs + kOutputs)},
          {SvftConfig{}, kBlocks * (17 * kDirections - 72 * kKinds)},
          {SvfConfig{}, kBlocks * kDirections},
          {SvfitConfig{}, kBlocks * kKinds * 256},
          {LoraXsConfig{}, kBlocks * kKinds * 64 * 64},
          {PicaConfig{}, 256 * kOutputs},
          {MicaConfig{}, kBlocks * 16 * kInputs},
          {PsoftConfig{}, kBlocks * kKinds * (32 * 31 / 2 + 2 * 32)},
          {TinyloraConfig{}, kBlocks * kKinds * 64},
          {FullConfig{}, 6738415616}};
}

TEST(ParameterPlan, EveryMethodsDefaultsCountAsItsFormulaSays) {
  std::set<std::size_t> seen;
  for (const Preset& preset : presets()) {
    EXPECT_EQ(count(kLlama2_7B, preset.method), preset.expected) << method_name(preset.method);
    seen.insert(preset.method.index());
  }
  EXPECT_EQ(seen.size(), std::variant_size_v<MethodConfig>);
}

// in (b − 1) / 2 of each layer, 2306.07280.
TEST(ParameterPlan, OftHasAnUpperTriangleForEachBlock) {
  OftConfig config;
  config.block_size = 32;
  EXPECT_EQ(count(kLlama2_7B, config, {"q_proj", "down_proj"}), 32 * (4096 + 11008) * 31 / 2);
}

// Sizes that a tiny decoder has room for.
template <class Config>
Config small(Config config) {
  if constexpr (requires { config.rank; }) config.rank = std::min<std::int64_t>(config.rank, 4);
  if constexpr (requires { config.target_rank; }) config.target_rank = 2;
  if constexpr (requires { config.low_rank; }) config.low_rank.rank = 4;
  if constexpr (requires { config.block_size; }) config.block_size = 4;
  return config;
}

// The same numbers as on a model that has weights, method by method.
template <class... Configs>
void compare_all(const Json& config, std::type_identity<std::variant<Configs...>>) {
  const auto compare = [&](const MethodConfig& method) {
    SCOPED_TRACE(method_name(method));
    const ParameterPlan got = plan_parameters(config, "test", method, {}, {.dtype = at::kFloat});
    Model model;
    model.net = test::tiny_decoder(test::tiny_spec(), at::kFloat);
    TargetOptions targets;
    if (!method_traits(method).trains_matrix) targets.target_modules = {"all-linear"};
    class Nothing final : public WeightSource {
      std::optional<at::Tensor> read(const std::string&, at::ScalarType) const override {
        return {};
      }
      std::filesystem::path place_of(const std::string&) const override { return {}; }
      std::vector<std::string> names() const override { return {}; }
      at::ScalarType stored_dtype() const override { return at::kFloat; }
      std::uint64_t hash(const std::string&) const override { return 0; }
    };
    model.weights = std::make_shared<Nothing>();
    const Attached attached = attach(model, method, targets);
    EXPECT_EQ(got.start.trainable, attached.report.trainable);
    EXPECT_EQ(got.start.total, attached.report.total);
    EXPECT_GT(got.start.trainable, 0);
    MemoryRequest request;
    request.batch_tokens = 2048;
    request.longest_document = 512;
    add_adapters(request, *model.net, attached.adapters);
    const MemoryForecast forecast = predict_memory(*model.net, request);
    ASSERT_EQ(got.memory.items.size(), forecast.items.size());
    for (std::size_t i = 0; i < forecast.items.size(); ++i) {
      if (forecast.items[i].name == "weights") continue;
      EXPECT_EQ(got.memory.items[i].bytes, forecast.items[i].bytes) << forecast.items[i].name;
    }
  };
  (compare(small(Configs{})), ...);
}

TEST(ParameterPlan, EveryMethodCountsAsItDoesOnRealWeights) {
  const ArchSpec spec = test::tiny_spec();
  const Json config =
      config_of({"llama", spec.hidden_size, spec.intermediate_size, spec.num_layers, spec.num_heads,
                 spec.num_kv_heads, spec.head_dim, spec.vocab_size, spec.tied_head});
  compare_all(config, std::type_identity<MethodConfig>{});
}

TEST(ParameterPlan, TokenRowsBiasesAndSavedModulesCount) {
  TargetOptions targets;
  targets.target_modules = {"q_proj"};
  targets.modules_to_save = {"lm_head"};
  const auto of = [&] {
    return plan_parameters(config_of(kLlama3_8B), "test", lora(8), targets,
                           {.dtype = at::kBFloat16})
        .start.trainable;
  };
  EXPECT_EQ(of(), 32 * 8 * 8192 + std::int64_t{128256} * 4096);
  targets.modules_to_save = {};
  targets.trainable_token_indices = {5, 9};
  EXPECT_EQ(of(), 32 * 8 * 8192 + 2 * 4096);
}

TEST(ParameterPlan, WeightsTakeWhatTheConfigurationStoresThemIn) {
  const std::uint64_t bf16 = plan(kLlama2_7B, lora(8)).memory.items[1].bytes;
  // All but the norms, 2 bytes each: near enough to 2 x 6.738e9.
  EXPECT_NEAR(static_cast<double>(bf16), 2 * 6738149376.0, 1e6);
}

// 4-bit codes, a byte for the scale of 64 of them and its share of nested scales.
TEST(ParameterPlan, QuantisedBaseTakesAQuarter) {
  const ParameterPlan got =
      plan_parameters(config_of(kLlama2_7B), "test", lora(8), {},
                      {.dtype = at::kBFloat16, .base_dtype = QuantType::kNf4});
  EXPECT_EQ(got.start.trainable, count(kLlama2_7B, lora(8)));
  const double matrices = 32.0 * (4 * 4096 * 4096 + 3 * 4096 * 11008), words = 2.0 * 32000 * 4096;
  const double widest = 2.0 * 4096 * 11008;
  EXPECT_NEAR(static_cast<double>(got.memory.items[1].bytes),
              matrices * 4.5 / 8 + 2 * words + widest, 0.06 * matrices);
}

// What trains there is a LoRA, which keeps no initial factors.
TEST(ParameterPlan, PissaOnAQuantisedBaseIsTheLoraThatTrains) {
  const ParameterPlanOptions options{.dtype = at::kBFloat16, .base_dtype = QuantType::kNf4};
  const auto on_nf4 = [&](const MethodConfig& method) {
    return plan_parameters(config_of(kLlama2_7B), "test", method, {}, options);
  };
  const ParameterPlan got = on_nf4(pissa(128)), trained = on_nf4(lora(128));
  EXPECT_EQ(got.start.method, "lora");
  EXPECT_EQ(got.start.trainable, trained.start.trainable);
  EXPECT_EQ(got.memory.total(), trained.memory.total());
  EXPECT_LT(got.memory.items[2].bytes, plan(kLlama2_7B, pissa(128)).memory.items[2].bytes);
  DoraConfig from_pissa = dora(16);
  from_pissa.init = DoraInit::kPissa;
  EXPECT_EQ(on_nf4(from_pissa).memory.total(), on_nf4(dora(16)).memory.total());
}

// SVFT's products leave dense weights unread in their file; rounded ones are in memory all the
// same.
TEST(ParameterPlan, ARoundedBaseIsHeldWhole) {
  const ParameterPlanOptions options{.dtype = at::kBFloat16, .base_dtype = QuantType::kNf4};
  const auto weights = [&](const MethodConfig& method) {
    return plan_parameters(config_of(kLlama2_7B), "test", method, {}, options)
        .memory.items[1]
        .bytes;
  };
  EXPECT_EQ(weights(plain_svft()), weights(lora(8)));
}

// U and V of 8 or 4 bits, and W beside them.
TEST(ParameterPlan, ARoundedBasisOfSvftIsCountedInItsBits) {
  const auto adapters = [](SvftBasisDtype held) {
    SvftConfig config = plain_svft();
    config.basis_dtype = held;
    const ParameterPlan got = plan(kLlama2_7B, config);
    EXPECT_EQ(got.start.trainable, count(kLlama2_7B, plain_svft()));
    return static_cast<double>(got.memory.items[2].bytes);
  };
  const double numbers = 32.0 * 7 * 4096 * 2 * 4096 + 32.0 * 3 * 4096 * (11008 - 4096);
  const double int8 = adapters(SvftBasisDtype::kInt8), nf4 = adapters(SvftBasisDtype::kNf4);
  EXPECT_NEAR(adapters(SvftBasisDtype::kProducts) - int8, numbers, 0.01 * numbers);
  EXPECT_NEAR(int8 - nf4, numbers * (1 - 4.5 / 8), 0.01 * numbers);
}

TEST(ParameterPlan, AConvolutionOfTheInputTakesMemory) {
  Json config = test::tiny_encoder_config({.family = "deberta-v2"});
  const auto items = [&] {
    return plan_parameters(config, "test", lora(4), {}, {.dtype = at::kFloat}).memory.items;
  };
  const std::vector<MemoryItem> plain = items();
  config["conv_kernel_size"] = 3;
  const std::vector<MemoryItem> mixed = items();
  // Weight [32, 32, 3] with its bias, and a norm; the norm keeps its input and one number a row.
  EXPECT_EQ(mixed[1].bytes - plain[1].bytes, 4u * (32 * 32 * 3 + 32 + 2 * 32));
  EXPECT_EQ(mixed[4].name, "activations");
  EXPECT_EQ(mixed[4].bytes - plain[4].bytes, 2048u * 4 * (32 + 1));
  // Long kernels need more while they run than all that backward keeps.
  config["conv_kernel_size"] = 201;
  EXPECT_GT(items()[5].bytes, 2048u * 4 * 2 * 201 * 32 - mixed[4].bytes);
}

TEST(ParameterPlan, DropoutOfTheModelTakesMasks) {
  Json config = test::tiny_encoder_config({.family = "bert"});
  config["hidden_dropout_prob"] = 0.1;
  config["attention_probs_dropout_prob"] = 0.1;
  const auto with = [&](const std::string& asked) {
    return plan_parameters(config, "test", lora(4), {},
                           {.dtype = at::kFloat, .model_dropout = asked});
  };
  const ParameterPlan own = with("config"), none = with("off");
  // A byte for each of 32 elements of a token: of the embedding, and of two branches in each block.
  EXPECT_EQ(own.memory.items[4].bytes - none.memory.items[4].bytes, 5u * 2048 * 32);
  EXPECT_EQ(with("0.5").memory.total(), own.memory.total());
  EXPECT_THAT(own.arithmetic, testing::HasSubstr("dropout of the model: "));
  EXPECT_THAT(none.arithmetic, testing::Not(testing::HasSubstr("dropout")));
  EXPECT_THROW(with("1"), UsageError);
}

// A byte for each weight and a scale for each row, in place of the mapped matrices.
TEST(ParameterPlan, ProductsInInt8TakeTheirCodes) {
  const auto with = [](const MethodConfig& method, at::ScalarType dtype = at::kBFloat16) {
    return plan_parameters(config_of(kLlama2_7B), "test", method, {},
                           {.dtype = dtype, .base_compute = BaseCompute::kInt8});
  };
  const ParameterPlan got = with(lora(8));
  const double matrices = 32.0 * (4 * 4096 * 4096 + 3 * 4096 * 11008), words = 2.0 * 32000 * 4096;
  EXPECT_NEAR(static_cast<double>(got.memory.items[1].bytes), matrices + 2 * words,
              0.01 * matrices);
  EXPECT_THAT(got.arithmetic, testing::HasSubstr("int8 products"));
  // Under fp32 arithmetic matrices in bf16 are mapped as well.
  EXPECT_EQ(with(lora(8), at::kFloat).memory.items[1].bytes, got.memory.items[1].bytes);
  EXPECT_THROW(with(FullConfig{}), UsageError);
}

TEST(ParameterPlan, SmallerBlocksTakeMoreScales) {
  const auto weights = [](std::int64_t block_size) {
    ParameterPlanOptions options{.dtype = at::kBFloat16, .base_dtype = QuantType::kNf4};
    options.tuning.block_size = block_size;
    const ParameterPlan got = plan_parameters(config_of(kLlama2_7B), "test", lora(8), {}, options);
    return static_cast<double>(got.memory.items[1].bytes);
  };
  const double matrices = 32.0 * (4 * 4096 * 4096 + 3 * 4096 * 11008);
  // Four bytes for 32 weights instead of 64.
  EXPECT_NEAR(weights(32) - weights(64), matrices * 4 / 64, 16);
}

TEST(ParameterPlan, TasksOfLabelsTrainAHeadOfTheirOwn) {
  const auto count_of = [](const test::TinyEncoder& encoder, const ParameterPlanOptions& options) {
    const Json config = test::tiny_encoder_config(encoder);
    return plan_parameters(config, "test", lora(4), {}, options).start.trainable;
  };
  const test::TinyEncoder bare{.bare = true}, labelled{.labels = 3}, masked{.masked = true};
  const std::vector<std::string> three = {"a", "b", "c"};
  const std::int64_t of_three = count_of(bare, {.task = TrainTask::kClassify, .labels = three});
  EXPECT_EQ(of_three, count_of(labelled, {.task = TrainTask::kClassify}));
  EXPECT_EQ(of_three, count_of(labelled, {}));
  EXPECT_EQ(of_three - count_of(bare, {.task = TrainTask::kRegress}), 2 * (32 + 1));
  EXPECT_EQ(count_of(bare, {.task = TrainTask::kMask}), count_of(masked, {}));
  EXPECT_THROW(count_of(bare, {.task = TrainTask::kClassify}), UsageError);
  EXPECT_THROW(count_of(bare, {.task = TrainTask::kTag, .labels = {"a", "b", "a "}}), UsageError);
}

TEST(ParameterPlan, RefusesWhatTrainingWouldRefuse) {
  EXPECT_THROW(plan(kLlama2_7B, lora(8), {"q_prj"}), UsageError);
  EXPECT_THROW(plan(kLlama3_8B, lora(2048), {"k_proj"}), ModelError);
  Json config = config_of(kLlama2_7B);
  config["model_type"] = "unknown";
  EXPECT_THROW(plan_parameters(config, "test", lora(8), {}), FileError);
}

}  // namespace parameter_plan_test
}  // namespace svtune
