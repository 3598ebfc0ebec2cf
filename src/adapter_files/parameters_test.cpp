// PEFT's target_parameters: experts of a mixture that transformers 5 holds in one tensor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapter_files/adapter_file.h"
#include "adapter_files/fused_factors.h"
#include "adapter_files/layer_parameters.h"
#include "adapter_files/peft_directory.h"
#include "adapter_files/saved_adapter_test_util.h"
#include "adapter_files/side_file.h"
#include "base/errors.h"
#include "io/safetensors_source.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace parameters_test {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kMixture = "base_model.model.model.layers.0.mlp.";
const TargetOptions kAllLinear = {.target_modules = {"all-linear"}};

class Parameters : public test::SavedAdapterTest {
 protected:
  void SetUp() override { test::write_tiny_model(base(), {.family = "mixtral"}); }

  Json config_of(const std::string& name) const {
    return read_json_file(directory_ / name / kPeftConfigFile);
  }

  at::Tensor stored(const std::string& name, const std::string& key) const {
    const SafetensorsSource file(directory_ / name / kPeftWeightsFile);
    const std::optional<at::Tensor> tensor = file.read(key, at::kFloat);
    EXPECT_TRUE(tensor.has_value()) << key;
    return tensor ? *tensor : at::Tensor();
  }

  std::string weights(const std::string& name) const {
    return read_file(directory_ / name / kPeftWeightsFile, std::uint64_t{1} << 30);
  }

  // As PEFT writes it: rank 2 and alpha 3 on one parameter of each layer.
  void write_by_peft(const std::string& name, const std::string& parameter, const Json& more = {}) {
    std::filesystem::create_directories(directory_ / name);
    Json config = {{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 3}, {"lora_dropout", 0.0}};
    config["target_modules"] = Json::array();
    config["target_parameters"] = Json::array({parameter});
    if (more.is_object()) config.update(more);
    write_file_atomic(directory_ / name / kPeftConfigFile, dump_json(config));
    std::vector<NamedTensor> tensors;
    for (const std::string layer : {"0", "1", "2"}) {
      const std::string key = "base_model.model.model.layers." + layer + ".mlp.experts.lora_";
      tensors.push_back({key + "A.weight", test::random_tensor({2 * 4, 32}, 0.1, 5)});
      tensors.push_back({key + "B.weight", test::random_tensor({2 * 56, 2 * 4}, 0.1, 6)});
    }
    write_tensors(directory_ / name / kPeftWeightsFile, tensors);
  }

  std::string error_of(const std::string& name) {
    Model model = load_model(base());
    try {
      load_adapter(model, directory_ / name);
    } catch (const FileError& error) {
      return error.what();
    }
    return "loaded";
  }
};

LayerParameter parameter_of(Model& model, const std::string& path) {
  for (LayerParameter& each : layer_parameters(*model.net)) {
    if (each.path() == path) return each;
  }
  ADD_FAILURE() << "no " << path;
  return {};
}

LayerFactors random_factors(const Linear& layer, std::int64_t rank, std::uint64_t seed) {
  return {test::random_tensor({rank, layer.in_features()}, 1, seed),
          test::random_tensor({layer.out_features(), rank}, 1, seed + 1)};
}

// A by experts, B by components, the gate's rows before those of up.
TEST_F(Parameters, FactorsLieWherePeftHasThem) {
  Model model = load_model(base());
  const LayerParameter gate_up = parameter_of(model, "model.layers.0.mlp.experts.gate_up_proj");
  ASSERT_EQ(gate_up.experts.size(), 4u);
  ASSERT_EQ(gate_up.experts[2].size(), 2u);
  const Linear& up = *gate_up.experts[2][1];
  EXPECT_EQ(up.name(), "model.layers.0.block_sparse_moe.experts.2.w3");
  const LayerFactors own = random_factors(up, 3, 1);
  const FusedFactors fused = fuse(gate_up, {{up.name(), own}});
  EXPECT_EQ(fused.rank, 3);
  ASSERT_EQ(fused.A.sizes(), at::IntArrayRef({4 * 3, 32}));
  ASSERT_EQ(fused.B.sizes(), at::IntArrayRef({2 * 56, 3 * 4}));
  for (std::int64_t j = 0; j < 3; ++j) {
    EXPECT_TRUE(fused.A[2 * 3 + j].equal(own.A[j]));
    EXPECT_TRUE(fused.B.narrow(0, 56, 56).select(1, j * 4 + 2).equal(own.B.select(1, j)));
  }
  EXPECT_FLOAT_EQ(fused.A.abs().sum().item<float>(), own.A.abs().sum().item<float>());
  EXPECT_FLOAT_EQ(fused.B.abs().sum().item<float>(), own.B.abs().sum().item<float>());
}

TEST_F(Parameters, LayersWithAnAEachGetComponentsOfTheirOwn) {
  Model model = load_model(base());
  const LayerParameter gate_up = parameter_of(model, "model.layers.1.mlp.experts.gate_up_proj");
  FactorsByLayer factors;
  std::map<std::string, std::int64_t> ranks;
  for (const Linear* layer : gate_up.layers()) {
    const std::int64_t rank = layer->name().ends_with("w1") ? 2 : 3;
    ranks[layer->name()] = rank;
    factors[layer->name()] = random_factors(*layer, rank, 10 * ranks.size());
  }
  const FusedFactors fused = fuse(gate_up, factors);
  ASSERT_EQ(fused.rank, 5);
  const auto back = split_factors(gate_up, fused, ranks);
  ASSERT_TRUE(back.has_value());
  for (const auto& [layer, own] : factors) {
    EXPECT_TRUE(back->at(layer).A.equal(own.A)) << layer;
    EXPECT_TRUE(back->at(layer).B.equal(own.B)) << layer;
  }
  // Where components change both layers they belong to neither.
  fused.B.add_(0.1);
  EXPECT_FALSE(split_factors(gate_up, fused, ranks).has_value());
  // Read as a whole, layers of an expert have one A, and it is written once.
  const FactorsByLayer shared = with_shared_A(gate_up, fused);
  EXPECT_EQ(shared.begin()->second.A.size(0), 5);
  const FusedFactors again = fuse(gate_up, shared);
  EXPECT_TRUE(again.A.equal(fused.A));
  EXPECT_TRUE(again.B.equal(fused.B));
}

TEST_F(Parameters, ExpertsAndRouterAreWrittenByTheirNames) {
  make("lora", LoraConfig{.low_rank = {.rank = 4, .alpha = 8.0}}, kAllLinear);
  const Json config = config_of("lora");
  EXPECT_EQ(config["target_modules"], (Json{"k_proj", "o_proj", "q_proj", "v_proj"}));
  EXPECT_EQ(config["target_parameters"],
            (Json{"experts.down_proj", "experts.gate_up_proj", "gate.weight"}));
  EXPECT_EQ(config["rank_pattern"], (Json{{"experts.gate_up_proj", 8}}));
  EXPECT_EQ(config["alpha_pattern"], (Json{{"experts.gate_up_proj", 16}}));
  const std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes = {
      {"experts.base_layer.lora_A.weight", {8 * 4, 32}},
      {"experts.base_layer.lora_B.weight", {2 * 56, 8 * 4}},
      {"experts.lora_A.weight", {4 * 4, 56}},
      {"experts.lora_B.weight", {32, 4 * 4}},
      {"gate.lora_A.weight", {4, 32}},
      {"gate.lora_B.weight", {4, 4}}};
  for (const auto& [key, shape] : shapes) {
    EXPECT_EQ(stored("lora", kMixture + key).sizes(), at::IntArrayRef(shape)) << key;
  }
  EXPECT_THAT(SafetensorsSource(directory_ / "lora" / kPeftWeightsFile).names(),
              Not(Contains(HasSubstr("block_sparse_moe"))));
}

TEST_F(Parameters, ASavedAdapterComesBackWithItsRanks) {
  const LoraConfig lora{.low_rank = {.rank = 4, .dropout = 0.1, .rank_pattern = {{"w3", 3}}}};
  const at::Tensor expected = make("lora", lora, kAllLinear);
  EXPECT_EQ(config_of("lora")["lora_dropout"], 0.0);  // PEFT has none there
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  EXPECT_THAT(loaded.warnings, IsEmpty());
  EXPECT_TRUE(test::logits_of(model).equal(expected));
  EXPECT_TRUE(loaded.record.method == MethodConfig(lora));
  for (const Trainable& each : loaded.adapters.trainables()) {
    if (!each.name.ends_with("lora_A.weight")) continue;
    const bool is_up = each.name.find(".w3.") != std::string::npos;
    EXPECT_EQ(each.tensor.size(0), is_up ? 3 : 4) << each.name;
  }
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "again");
  EXPECT_TRUE(weights("lora") == weights("again"));
}

// transformers 5 calls the module of Mixtral's router otherwise than checkpoints do.
TEST_F(Parameters, ARouterSavedWholeHasItsNameInMemory) {
  const TargetOptions ends{.target_modules = {"q_proj"}, .modules_to_save = {"gate"}};
  const TargetOptions path{.target_modules = {"q_proj", "w2"},
                           .modules_to_save = {"model.layers.1.block_sparse_moe.gate"}};
  for (const TargetOptions& targets : {ends, path}) {
    const std::string name = targets.modules_to_save[0];
    const at::Tensor expected = make(name, LoraConfig{.low_rank = {.rank = 2}}, targets);
    EXPECT_THAT(SafetensorsSource(directory_ / name / kPeftWeightsFile).names(),
                AllOf(Contains("base_model.model.model.layers.1.mlp.gate.weight"),
                      Not(Contains(HasSubstr("block_sparse_moe")))));
    EXPECT_THAT(dump_json(config_of(name)["modules_to_save"]), Not(HasSubstr("block_sparse_moe")));
    for (const bool with_record : {true, false}) {
      if (!with_record) std::filesystem::remove(directory_ / name / kSideFile);
      Model model = load_model(base());
      load_adapter(model, directory_ / name);
      EXPECT_LT(test::max_difference(test::logits_of(model), expected), 3e-5) << with_record;
    }
  }
  // Beside experts by their layers, which transformers 4 has, the router is called as there.
  make("dora", DoraConfig{.low_rank = {.rank = 2}},
       {.target_modules = {"w1"}, .modules_to_save = {"gate"}});
  EXPECT_THAT(SafetensorsSource(directory_ / "dora" / kPeftWeightsFile).names(),
              Contains("base_model.model.model.layers.1.block_sparse_moe.gate.weight"));
}

// A parameter has one scaling, so the B of the other layers is written in its terms.
TEST_F(Parameters, LayersOfAParameterMayHaveScalingsOfTheirOwn) {
  const std::vector<LoraConfig> adapters = {
      {.low_rank = {.rank = 4, .alpha = 8.0, .alpha_pattern = {{"w1", 3.0}}}},
      {.low_rank = {.rank = 4, .alpha = 8.0, .rank_pattern = {{"w3", 2}, {"experts.1.w2", 3}}}},
      {.low_rank = {.rank = 4, .alpha = 8.0, .rslora = true, .rank_pattern = {{"w1", 2}}}}};
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    const std::string name = "lora" + std::to_string(i);
    const at::Tensor expected = make(name, adapters[i], kAllLinear);
    EXPECT_TRUE(config_of(name).contains("target_parameters"));
    Model model = load_model(base());
    const LoadedAdapter loaded = load_adapter(model, directory_ / name);
    EXPECT_THAT(loaded.warnings, IsEmpty());
    EXPECT_TRUE(loaded.record.method == MethodConfig(adapters[i]));
    EXPECT_LT(test::max_difference(test::logits_of(model), expected), 3e-5);  // B is rounded twice
    std::filesystem::remove(directory_ / name / kSideFile);
    Model other = load_model(base());
    load_adapter(other, directory_ / name);
    EXPECT_LT(test::max_difference(test::logits_of(other), expected), 3e-5);
  }
}

TEST_F(Parameters, FilesWithoutTheRecordGiveTheSameLogitsAndTensors) {
  const at::Tensor expected = make("lora", LoraConfig{.low_rank = {.rank = 4}}, kAllLinear);
  std::filesystem::remove(directory_ / "lora" / kSideFile);
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  EXPECT_LT(test::max_difference(test::logits_of(model), expected), 3e-5);  // fp32, summed anew
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "again");
  EXPECT_TRUE(weights("lora") == weights("again"));
  EXPECT_EQ(config_of("again")["rank_pattern"], config_of("lora")["rank_pattern"]);
}

TEST_F(Parameters, SomeExpertsAloneAreWrittenWithZerosForTheOthers) {
  const LoraConfig lora{.low_rank = {.rank = 4}};
  const TargetOptions some{.target_regex = R"(.*layers\.1.*experts\.[13]\.w[12])"};
  const at::Tensor expected = make("lora", lora, some);
  EXPECT_EQ(config_of("lora")["target_modules"], Json::array());
  EXPECT_THAT(dump_json(config_of("lora")["target_parameters"]),
              HasSubstr("model.layers.1.mlp.experts.gate_up_proj"));
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "lora");
  EXPECT_TRUE(test::logits_of(model).equal(expected));
  EXPECT_EQ(loaded.adapters.layers.size(), 4u);
}

TEST_F(Parameters, AnExpertsWeightChangesByItsPart) {
  write_by_peft("peft", "mlp.experts.gate_up_proj");
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "peft");
  const at::Tensor A = test::random_tensor({2 * 4, 32}, 0.1, 5).view({4, 2, 32});
  const at::Tensor B = test::random_tensor({2 * 56, 2 * 4}, 0.1, 6).view({2 * 56, 2, 4});
  int seen = 0;
  for (const Linear* layer : model.net->linears()) {
    if (layer->adapter() == nullptr) continue;
    const std::int64_t expert = layer->name()[layer->name().size() - 4] - '0';
    const std::int64_t first = layer->name().ends_with("w1") ? 0 : 56;
    const at::Tensor change =
        at::mm(B.select(2, expert).narrow(0, first, 56), A[expert]) * (3.0 / 2.0);
    const at::Tensor got = layer->effective_weight() - layer->base().dense_high_precision();
    EXPECT_LT(test::max_difference(got, change), 1e-6) << layer->name();
    ++seen;
  }
  EXPECT_EQ(seen, 3 * 4 * 2);
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "again");
  EXPECT_TRUE(weights("peft") == weights("again"));
  EXPECT_EQ(config_of("again")["target_parameters"], (Json{"experts.gate_up_proj"}));
}

// PEFT has modules of its own for some families only, and others in each version.
TEST_F(Parameters, WithoutTargetModulesTheFileTellsWhetherThereAreAny) {
  test::write_tiny_model(directory_ / "qwen", {.family = "qwen2_moe"});
  const LoraConfig lora{.low_rank = {.rank = 4}};
  for (const bool modules : {false, true}) {
    const std::string name = modules ? "both" : "experts";
    Model trained = load_model(directory_ / "qwen");
    const TargetOptions experts{.target_regex = R"(.*experts\.\d+\.down_proj)"};
    const TargetOptions both{.target_regex = R"(.*(experts\.\d+\.down_proj|q_proj|v_proj))"};
    const Attached attached = attach(trained, lora, modules ? both : experts);
    test::disturb(attached.adapters);
    const at::Tensor expected = test::logits_of(trained);
    save_adapter(trained, attached.adapters, attached.record, directory_ / name);
    std::filesystem::remove(directory_ / name / kSideFile);
    Json config = config_of(name);
    config["target_modules"] = nullptr;
    write_file_atomic(directory_ / name / kPeftConfigFile, dump_json(config));
    Model again = load_model(directory_ / "qwen");
    load_adapter(again, directory_ / name);
    EXPECT_LT(test::max_difference(test::logits_of(again), expected), 3e-5) << modules;
  }
}

TEST_F(Parameters, TargetModulesDoNotReachExpertsOfTransformers5) {
  test::write_tiny_model(directory_ / "qwen", {.family = "qwen2_moe"});
  const std::vector<MethodConfig> methods = {LoraConfig{.low_rank = {.rank = 2}},
                                             DoraConfig{.low_rank = {.rank = 2}}};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    const std::string name = "linear" + std::to_string(i);
    Model trained = load_model(directory_ / "qwen");
    const TargetOptions linear{.target_modules = {"q_proj", "up_proj"},
                               .exclude_regex = R"(.*\.experts\..*)"};
    const Attached attached = attach(trained, methods[i], linear);
    test::disturb(attached.adapters);
    const at::Tensor expected = test::logits_of(trained);
    save_adapter(trained, attached.adapters, attached.record, directory_ / name);
    std::filesystem::remove(directory_ / name / kSideFile);
    for (const Json& targets : {Json{"q_proj", "up_proj"}, Json(R"(.*\.(q_proj|up_proj))")}) {
      Json config = config_of(name);
      config["target_modules"] = targets;
      write_file_atomic(directory_ / name / kPeftConfigFile, dump_json(config));
      Model model = load_model(directory_ / "qwen");
      const LoadedAdapter loaded = load_adapter(model, directory_ / name);
      EXPECT_LT(test::max_difference(test::logits_of(model), expected), 3e-5) << targets;
      EXPECT_EQ(loaded.adapters.layers.size(), attached.adapters.layers.size());
    }
  }
}

// PEFT knows the parameter by its own name alone.
TEST_F(Parameters, PatternsForLayersDoNotMeanTheirParameter) {
  write_by_peft("plain", "experts.gate_up_proj");
  write_by_peft("patterns", "experts.gate_up_proj",
                {{"rank_pattern", {{"w1", 1}, {"gate", 1}}}, {"alpha_pattern", {{"w3", 9}}}});
  Model plain = load_model(base()), patterns = load_model(base());
  load_adapter(plain, directory_ / "plain");
  load_adapter(patterns, directory_ / "patterns");
  EXPECT_TRUE(test::logits_of(patterns).equal(test::logits_of(plain)));
}

TEST_F(Parameters, AReadAdapterTrainsOn) {
  write_by_peft("peft", "experts.gate_up_proj");
  Model model = load_model(base());
  const LoadedAdapter loaded = load_adapter(model, directory_ / "peft");
  model.net->loss(test::one_document(test::tiny_tokens())).backward();
  int with_gradient = 0;
  for (const Trainable& each : loaded.adapters.trainables()) {
    if (each.tensor.grad().defined()) ++with_gradient;
  }
  EXPECT_GT(with_gradient, 0);
  test::disturb(loaded.adapters);  // each layer's A goes its own way
  const at::Tensor expected = test::logits_of(model);
  save_adapter(model, loaded.adapters, loaded.record, directory_ / "trained");
  EXPECT_EQ(config_of("trained")["rank_pattern"], (Json{{"experts.gate_up_proj", 4}}));
  Model again = load_model(base());
  const LoadedAdapter trained = load_adapter(again, directory_ / "trained");
  EXPECT_THAT(trained.warnings, IsEmpty());
  EXPECT_TRUE(test::logits_of(again).equal(expected));
}

TEST_F(Parameters, WhatPeftRefusesBesideThemIsRefusedByName) {
  const std::vector<std::pair<std::string, Json>> keys = {{"lora_dropout", 0.25},
                                                          {"use_dora", true},
                                                          {"lora_bias", true},
                                                          {"fan_in_fan_out", true},
                                                          {"kasa_config", {{"beta", 0.1}}},
                                                          {"velora_config", {{"rank", 2}}},
                                                          {"init_lora_weights", "pissa"},
                                                          {"init_lora_weights", "olora"}};
  for (const auto& [key, value] : keys) {
    write_by_peft(key, "experts.gate_up_proj", {{key, value}});
    EXPECT_THAT(error_of(key),
                HasSubstr(key + " " + dump_json(value) + " does not go with target_parameters"));
  }
  write_by_peft("adalora", "experts.gate_up_proj", {{"peft_type", "ADALORA"}});
  EXPECT_THAT(error_of("adalora"), HasSubstr("target_parameters changes what"));
  write_by_peft("oft", "experts.gate_up_proj", {{"peft_type", "OFT"}});
  EXPECT_THAT(error_of("oft"), HasSubstr("target_parameters"));
}

TEST_F(Parameters, NamesThatMeanNoMatrixAreTold) {
  for (const std::string name :
       {"experts.up_gate_proj", "norm.weight", "weight", "embed_tokens.weight"}) {
    write_by_peft("peft", name);
    EXPECT_THAT(error_of("peft"), HasSubstr("target_parameters \"" + name + "\"")) << name;
  }
  write_by_peft("peft", "experts.gate_up_proj", {{"target_parameters", "experts"}});
  EXPECT_THAT(error_of("peft"), HasSubstr("target_parameters must be a list of names"));
  write_by_peft("peft", "q_proj.weight", {{"target_modules", {"q_proj"}}});
  EXPECT_THAT(error_of("peft"), HasSubstr("q_proj.lora_A.weight is missing"));
}

TEST_F(Parameters, TensorsThatDoNotFitAreAllNamed) {
  write_by_peft("peft", "experts.gate_up_proj", {{"r", 3}});
  EXPECT_THAT(error_of("peft"), AllOf(HasSubstr("0.mlp.experts.lora_A.weight has shape [8, 32]"),
                                      HasSubstr("need [12, 32]"),
                                      HasSubstr("2.mlp.experts.lora_B.weight has shape [112, 8]")));
  write_by_peft("peft", "experts.down_proj");
  EXPECT_THAT(error_of("peft"), HasSubstr("0.mlp.experts.lora_A.weight has shape [8, 32]"));
}

// DoRA has lengths of rows, which PEFT has no place for beside parameters.
TEST_F(Parameters, OtherMethodsAreWrittenByLayers) {
  const at::Tensor expected = make("dora", DoraConfig{.low_rank = {.rank = 4}}, kAllLinear);
  EXPECT_FALSE(config_of("dora").contains("target_parameters"));
  Model model = load_model(base());
  load_adapter(model, directory_ / "dora");
  EXPECT_LT(test::max_difference(test::logits_of(model), expected), 1e-6);
}

// PEFT takes every gate_proj of such a model for an expert's where target_modules name it.
TEST_F(Parameters, LayersCalledAsTheExpertsGoByTheirNamesToo) {
  test::write_tiny_model(directory_ / "qwen", {.family = "qwen3_moe"});
  Model model = load_model(directory_ / "qwen");
  const TargetOptions targets{.target_modules = {"q_proj", "down_proj"}};
  const Attached attached = attach(model, LoraConfig{.low_rank = {.rank = 4}}, targets);
  test::disturb(attached.adapters);
  const at::Tensor expected = test::logits_of(model);
  save_adapter(model, attached.adapters, attached.record, directory_ / "lora");
  const Json config = config_of("lora");
  EXPECT_EQ(config["target_modules"], (Json{"q_proj"}));
  EXPECT_EQ(config["target_parameters"], (Json{"down_proj.weight", "experts.down_proj"}));
  EXPECT_EQ(stored("lora", kMixture + "down_proj.lora_A.weight").size(0), 4);
  Model again = load_model(directory_ / "qwen");
  load_adapter(again, directory_ / "lora");
  EXPECT_TRUE(test::logits_of(again).equal(expected));
}

}  // namespace parameters_test
}  // namespace svtune
