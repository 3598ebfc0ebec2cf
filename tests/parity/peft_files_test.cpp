// File exchange with PEFT in both directions, on small random models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "adapter_files/adapter_file.h"
#include "adapter_files/loaded_model.h"
#include "adapter_files/peft_directory.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "export/export.h"
#include "io/safetensors_source.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"

namespace svtune {
namespace peft_files_test {

using test::TempDirectory;

// fp32 logits of size about 3; both sides sum in another order, through three blocks: up to 1.1e-5.
constexpr double kTolerance = 3e-5;
// Where both sides decompose the base. The oracle has PEFT do it in fp64, as is done here of small
// matrices, and both round the factors to fp32; of PSOFT both take the vectors of one call in fp32.
constexpr double kDecomposedTolerance = 2e-4;

std::string script(const std::string& python, const std::string& arguments) {
  return test::run_oracle_file(python, "peft_cases.py", arguments);
}

// The merged model and the exported LoRA give PEFT's logits as well.
void expect_other_forms(const TempDirectory& directory, const LoadedModel& with_adapter,
                        const at::Tensor& expected, double tolerance) {
  const Model& model = with_adapter.model;
  const LoadedAdapter& loaded = *with_adapter.adapter;
  const auto replace = IfExists::kReplace;
  try {
    merge_to_directory(model, loaded.adapters, directory / "merged", {.if_exists = replace});
    Model merged = load_model(directory / "merged");
    EXPECT_LT(test::max_difference(test::logits_of(merged), expected), tolerance);
    if (adapted_layers(loaded.adapters).empty()) return;  // the embedding alone has no LoRA form
    LoraExportOptions lora{.if_exists = replace};
    // Without thin factors of its own an update is cut, by default at 1e-3.
    const Adapter& first = *adapted_layers(loaded.adapters)[0]->adapter();
    if (!first.low_rank_delta()) lora.tolerance = 1e-6;
    export_lora(model, loaded.adapters, loaded.record, directory / "lora", lora);
    LoadedModel again = load_with_adapter(model.path, directory / "lora", {});
    EXPECT_LT(test::max_difference(test::logits_of(again.model), expected), tolerance);
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
}

// Tensors that both files have, in one shape, have one value; how many there are.
int expect_same_tensors(const std::filesystem::path& a, const std::filesystem::path& b) {
  const SafetensorsSource left(a / kPeftWeightsFile), right(b / kPeftWeightsFile);
  int shared = 0;
  for (const std::string& name : left.names()) {
    const auto mine = left.read(name, at::kFloat), other = right.read(name, at::kFloat);
    if (!other || !mine->sizes().equals(other->sizes())) continue;
    EXPECT_TRUE(mine->equal(*other)) << name;
    ++shared;
  }
  return shared;
}

// Saved again PEFT's tensors are PEFT's to the bit, but where the form is another (an adapted
// embedding, twice the rank, rotations that PEFT limits in its forward pass and we on reading), and
// saving once more changes no byte.
void expect_same_when_saved(const TempDirectory& directory, const std::string& name,
                            const LoadedModel& loaded) {
  if (adapted_layers(loaded.adapter->adapters).empty()) return;  // the embedding alone
  const auto replace = IfExists::kReplace;
  const auto save = [&](const LoadedModel& from, const char* to) {
    save_adapter(from.model, from.adapter->adapters, from.adapter->record, directory / to, replace);
  };
  save(loaded, "saved");
  if (!name.ends_with("_constrained")) expect_same_tensors(directory / name, directory / "saved");
  save(load_with_adapter(loaded.model.path, directory / "saved", {}), "saved_again");
  EXPECT_GT(expect_same_tensors(directory / "saved", directory / "saved_again"), 0);
  const auto bytes = [&](const char* of) {
    return read_file(directory / of / kPeftWeightsFile, std::uint64_t{1} << 30);
  };
  EXPECT_TRUE(bytes("saved") == bytes("saved_again"));
}

at::Tensor base_logits(const std::filesystem::path& base) {
  Model model = load_model(base);
  return test::logits_of(model);
}

TEST(AdapterFileOracle, LoadsWhatPeftWrites) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  std::vector<test::TinyModel> models = {{.family = "qwen2", .tied = true}};
  for (const char* family :
       {"llama", "gpt_neox", "mixtral", "gpt2", "phi", "phi3", "starcoder2", "qwen2_moe", "olmo2",
        "olmo3", "olmoe", "qwen3_moe", "gemma3_text", "smollm3", "granite"}) {
    models.push_back({.family = family});
  }
  std::string arguments = "write " + test::shell_quote(directory.path().string());
  for (const test::TinyModel& tiny : models) {
    test::write_tiny_model(directory / tiny.family, tiny);
    arguments += " " + test::shell_quote((directory / tiny.family).string());
  }
  std::istringstream names(script(python, arguments));
  std::string name;
  int cases = 0;
  double largest = 0;
  while (std::getline(names, name)) {
    SCOPED_TRACE(name);
    const std::filesystem::path base = directory / name.substr(0, name.find('-'));
    const at::Tensor start = base_logits(base);
    LoadedModel loaded;
    try {
      loaded = load_with_adapter(base, directory / name, {});
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
      continue;
    }
    const at::Tensor expected =
        *SafetensorsSource(directory / (name + ".safetensors")).read("logits", at::kFloat);
    const at::Tensor got = test::logits_of(loaded.model);
    ASSERT_EQ(got.sizes(), expected.sizes());
    const double difference = test::max_difference(got, expected);
    const bool repeats = name.ends_with("-pissa") || name.find("-olora") != std::string::npos ||
                         name.find("-kasa") != std::string::npos ||
                         name.find("-psoft") != std::string::npos;
    EXPECT_LT(difference, repeats ? kDecomposedTolerance : kTolerance);
    const at::Tensor shared = expected.narrow(1, 0, start.size(1));
    EXPECT_GT(test::max_difference(start, shared), 1e-2) << "the adapter does nothing";
    largest = std::max(largest, difference);
    ++cases;
    expect_same_when_saved(directory, name, loaded);
    expect_other_forms(directory, loaded, expected,
                       repeats ? kDecomposedTolerance : 5 * kTolerance);
  }
  EXPECT_GE(cases, 110);
  RecordProperty("largest_difference", std::to_string(largest));
}

// Collects directories with the logits svtune has for them, and asks PEFT for its own.
class Exchange {
 public:
  explicit Exchange(const TempDirectory& directory) : directory_(directory) {}

  void add(const std::string& name, const std::filesystem::path& base,
           const std::filesystem::path& adapter, const at::Tensor& logits, Json words = nullptr) {
    const std::filesystem::path file = directory_ / (name + ".safetensors");
    write_tensors(file, {{"logits", logits}});
    cases_.push_back({{"name", name},
                      {"base", base.string()},
                      {"words", std::move(words)},
                      {"adapter", adapter.empty() ? Json(nullptr) : Json(adapter.string())},
                      {"logits", file.string()}});
  }

  void expect_equal(const std::string& python, double tolerance) {
    const std::filesystem::path list = directory_ / "cases.json";
    write_file_atomic(list, dump_json(cases_));
    const Json result =
        parse_json(script(python, "check " + test::shell_quote(list.string())), "oracle");
    EXPECT_EQ(result.size(), cases_.size());
    for (const auto& [name, differences] : result.items()) {
      EXPECT_TRUE(differences.is_array()) << name << ": " << differences.dump();
      if (!differences.is_array()) continue;
      for (const Json& difference : differences) {
        EXPECT_LT(difference.get<double>(), tolerance) << name << ": " << differences.dump();
      }
    }
  }

 private:
  const TempDirectory& directory_;
  Json cases_ = Json::array();
};

struct Variant {
  std::string name;
  MethodConfig method;
  TargetOptions targets;
};

std::vector<Variant> variants() {
  LoraConfig plain{.low_rank = {.rank = 4, .alpha = 8.0}};
  LoraConfig patterns{.low_rank = {.rank = 4,
                                   .rslora = true,
                                   .rank_pattern = {{"up_proj", 6}, {"layers.0.*", 2}},
                                   .alpha_pattern = {{"q_proj", 3}}}};
  PissaConfig pissa{.low_rank = {.rank = 4, .alpha = 6.0}};
  PissaConfig pissa_patterns{
      .low_rank = {.rank = 4, .rslora = true, .rank_pattern = {{"q_proj", 7}}}};
  DoraConfig dora{.low_rank = {.rank = 4, .alpha = 6.0}};
  DoraConfig dora_pissa{.low_rank = {.rank = 4, .alpha = 6.0, .rank_pattern = {{"q_proj", 7}}},
                        .init = DoraInit::kPissa};
  LoraConfig olora{.low_rank = {.rank = 4, .alpha = 6.0}, .init = LoraInit::kOlora};
  LoraConfig orthogonal{.low_rank = {.rank = 4, .alpha = 6.0}, .init = LoraInit::kOrthogonal};
  MiloraConfig milora{{.rank = 4, .alpha = 6.0}};
  VeraConfig vera{.rank = 12, .d_initial = 0.5};
  VeraConfig vera_key{.rank = 40, .projection_prng_key = 5, .save_projection = false};
  AdaloraConfig adalora{.rank = 4, .target_rank = 2, .alpha = 6.0};
  AdaloraConfig adalora_pissa{.rank = 4, .alpha = 6.0, .init = AdaloraInit::kPissa};
  OftConfig oft{.block_size = 8};
  OftConfig oft_shared{.block_count = 4, .rotation = OftRotation::kCayley, .block_share = true};
  BoftConfig boft{.block_size = 8};
  const TargetOptions all{.target_modules = {"all-linear"}};
  return {
      {"lora", plain, {}},
      {"patterns", patterns, all},
      {"biases", plain, {.target_modules = {"q_proj", "up_proj"}, .bias = TrainedBias::kAll}},
      {"own_biases", plain, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"head", plain, {.target_modules = {"v_proj"}, .modules_to_save = {"lm_head"}}},
      {"embedding", plain, {.modules_to_save = {"embed_tokens", "norm"}}},
      {"one_tensor", plain, {.modules_to_save = {"embed_tokens"}, .ensure_weight_tying = true}},
      {"saved_mlp", plain, {.modules_to_save = {"layers.1.mlp", "o_proj"}}},
      {"one_layer", plain, {.target_modules = {"q_proj", "lm_head"}, .layers_to_transform = {1}}},
      {"tokens", plain, {.target_modules = {"q_proj"}, .trainable_token_indices = {24, 3}}},
      {"tokens_head", dora, {.trainable_token_indices = {24, 3, 45}, .trainable_token_head = true}},
      {"pissa", pissa, all},
      {"pissa_patterns", pissa_patterns, {.modules_to_save = {"lm_head"}}},
      {"dora", dora, all},
      {"dora_biases", dora, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"dora_pissa", dora_pissa, all},
      {"olora", olora, all},
      {"orthogonal", orthogonal, all},
      {"milora", milora, all},
      {"lora_xs", LoraXsConfig{.rank = 5}, all},
      {"svf", SvfConfig{}, {.target_modules = {"q_proj"}}},
      {"svft", SvftConfig{.bandwidth = 2}, {.target_modules = {"q_proj"}}},
      {"svfit", SvfitConfig{.rank = 5}, all},
      {"pica", PicaConfig{.rank = 5}, all},
      {"pica_outputs", PicaConfig{.rank = 5, .frozen_side = PicaSide::kOutputs}, all},
      {"tinylora", TinyloraConfig{.rank = 3, .numbers = 7}, all},
      {"delta_lora", DeltaLoraConfig{{.rank = 4}}, all},
      {"flora", FloraConfig{.rank = 2}, {.target_modules = {"q_proj"}}},
      {"mica", MicaConfig{.rank = 4}, {.modules_to_save = {"lm_head"}}},
      {"psoft", PsoftConfig{.rank = 5}, all},
      {"sorsa", SorsaConfig{.rank = 4}, all},
      {"kasa", KasaConfig{{.rank = 4, .alpha = 6.0}}, all},
      {"adalora", adalora, all},
      {"adalora_biases", adalora, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"adalora_tied", adalora, {.modules_to_save = {"embed_tokens"}, .ensure_weight_tying = true}},
      {"adalora_pissa", adalora_pissa, all},
      {"oft", oft, all},
      {"oft_shared", oft_shared, {.modules_to_save = {"lm_head"}}},
      {"oft_biases", oft, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"boft", boft, all},
      {"boft_biases", boft, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"vera", vera, all},
      {"vera_key", vera_key, {.target_modules = {"q_proj", "down_proj"}}},
      {"vera_biases", vera, {.target_modules = {"q_proj"}, .bias = TrainedBias::kLoraOnly}},
      {"vera_tied", vera, {.modules_to_save = {"embed_tokens"}, .ensure_weight_tying = true}}};
}

TEST(AdapterFileOracle, PeftLoadsWhatSvtuneWrites) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  Exchange exchange(directory);
  const std::vector<test::TinyModel> models = {
      {.family = "qwen2", .tied = true}, {.family = "llama"}, {.family = "gemma"}};
  for (const test::TinyModel& tiny : models) {
    const std::filesystem::path base = directory / tiny.family;
    test::write_tiny_model(base, tiny);
    for (const Variant& variant : variants()) {
      const std::string name = tiny.family + "-" + variant.name;
      SCOPED_TRACE(name);
      Model model = load_model(base);
      const Attached attached = attach(model, variant.method, variant.targets, {.seed = 3});
      test::disturb(attached.adapters);
      const at::Tensor logits = test::logits_of(model);
      save_adapter(model, attached.adapters, attached.record, directory / name);
      if (std::filesystem::exists(directory / name / kPeftConfigFile)) {
        exchange.add(name, base, directory / name, logits);
      }
      const std::filesystem::path merged = directory / (name + "-merged");
      merge_to_directory(model, attached.adapters, merged);
      exchange.add(name + "-merged", merged, {}, logits);
      Model again = load_model(merged);
      EXPECT_LT(test::max_difference(test::logits_of(again), logits), kTolerance);
      export_lora(model, attached.adapters, attached.record, directory / (name + "-lora"),
                  {.tolerance = 1e-7});
      exchange.add(name + "-lora", base, directory / (name + "-lora"), logits);
      if (!attached.adapters.layers[0]->adapter()->start_in_base()) continue;
      const std::filesystem::path residual = directory / (name + "-residual");
      export_residual(model, attached.adapters, attached.record, residual);
      exchange.add(name + "-residual", residual / "base", residual / "adapter", logits);
    }
  }
  exchange.expect_equal(python, kTolerance);
}

// Of families with other layers: fused matrices, matrices stored as [in, out], experts.
TEST(AdapterFileOracle, PeftLoadsWhatSvtuneWritesOfOtherFamilies) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  Exchange exchange(directory);
  const std::vector<std::pair<std::string, TargetOptions>> families = {
      {"gpt2", {.target_modules = {"all-linear"}, .bias = TrainedBias::kLoraOnly}},
      {"gpt2", {.target_modules = {"c_attn"}, .modules_to_save = {"c_proj", "wpe", "ln_2"}}},
      {"phi3", {.target_modules = {"all-linear"}}},
      {"phi3", {.target_modules = {"qkv_proj"}, .modules_to_save = {"gate_up_proj"}}},
      {"starcoder2", {.target_modules = {"q_proj", "c_proj"}, .modules_to_save = {"c_fc"}}},
      {"qwen2_moe", {.target_modules = {"q_proj", "shared_expert.down_proj"}}},
      {"qwen3_moe", {.target_modules = {"q_proj"}, .modules_to_save = {"q_norm"}}},
      {"gemma3_text", {.target_modules = {"all-linear"}, .modules_to_save = {"k_norm"}}},
      {"olmo3", {.target_modules = {"all-linear"}, .modules_to_save = {"lm_head"}}}};
  const LowRankConfig low_rank{.rank = 4, .alpha = 6.0};
  const std::vector<MethodConfig> methods = {LoraConfig{.low_rank = low_rank},
                                             PissaConfig{.low_rank = low_rank},
                                             DoraConfig{.low_rank = low_rank}};
  for (const auto& [family, targets] : families) {
    const std::filesystem::path base = directory / family;
    if (!std::filesystem::exists(base)) test::write_tiny_model(base, {.family = family});
    for (const MethodConfig& method : methods) {
      const std::string name = family + "-" + method_name(method) + "-" + targets.target_modules[0];
      SCOPED_TRACE(name);
      Model model = load_model(base);
      const Attached attached = attach(model, method, targets, {.seed = 3});
      test::disturb(attached.adapters);
      const at::Tensor logits = test::logits_of(model);
      save_adapter(model, attached.adapters, attached.record, directory / name);
      exchange.add(name, base, directory / name, logits);
      merge_to_directory(model, attached.adapters, directory / (name + "-merged"));
      exchange.add(name + "-merged", directory / (name + "-merged"), {}, logits);
      LoadedModel again = load_with_adapter(base, directory / name, {});
      EXPECT_LT(test::max_difference(test::logits_of(again.model), logits), kTolerance);
      if (!attached.adapters.layers[0]->adapter()->start_in_base()) continue;
      const std::filesystem::path residual = directory / (name + "-residual");
      export_residual(model, attached.adapters, attached.record, residual);
      exchange.add(name + "-residual", residual / "base", residual / "adapter", logits);
    }
  }
  exchange.expect_equal(python, kTolerance);
}

// Experts, routers and layers called as an expert's, which transformers 5 holds as parameters.
TEST(AdapterFileOracle, PeftLoadsExperts) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  Exchange exchange(directory);
  const LowRankConfig low_rank{.rank = 3, .alpha = 6.0};
  LowRankConfig patterns{.rank = 3, .dropout = 0.1, .rank_pattern = {{"w1|gate_proj", 2}}};
  // Layers of one parameter with scalings of their own.
  const LowRankConfig alphas{.rank = 3, .alpha = 6.0, .alpha_pattern = {{"w1|gate_proj", 2.0}}};
  const LowRankConfig roots{
      .rank = 3, .alpha = 6.0, .rslora = true, .rank_pattern = {{"w1|gate_proj", 2}}};
  const std::vector<MethodConfig> methods = {
      LoraConfig{.low_rank = low_rank}, LoraConfig{.low_rank = patterns},
      LoraConfig{.low_rank = low_rank, .init = LoraInit::kGaussian},
      PissaConfig{.low_rank = low_rank}, LoraConfig{.low_rank = alphas},
      LoraConfig{.low_rank = roots}};
  const std::vector<std::pair<std::string, TargetOptions>> targets = {
      {"all",  // but one whose matrix has a single row
       {.target_modules = {"all-linear"}, .exclude_modules = {"shared_expert_gate"}}},
      {"some", {.target_regex = R"(.*layers\.1.*experts\.[02]\.(w1|gate_proj|w2|down_proj))"}},
      {"router",
       {.target_modules = {"q_proj", "w1", "gate_proj"}, .modules_to_save = {"gate"}}}};
  for (const std::string family : {"mixtral", "qwen3_moe", "qwen2_moe", "olmoe"}) {
    const std::filesystem::path base = directory / family;
    test::write_tiny_model(base, {.family = family});
    for (std::size_t i = 0; i < methods.size(); ++i) {
      for (const auto& [called, chosen] : targets) {
        // In this tiny model the second block alone has no experts.
        if (called == "some" && family == "qwen2_moe") continue;
        const std::string name = family + "-" + called + std::to_string(i);
        SCOPED_TRACE(name);
        Model model = load_model(base);
        const Attached attached = attach(model, methods[i], chosen, {.seed = 3});
        test::disturb(attached.adapters);
        const at::Tensor logits = test::logits_of(model);
        save_adapter(model, attached.adapters, attached.record, directory / name);
        exchange.add(name, base, directory / name, logits);
        LoadedModel again = load_with_adapter(base, directory / name, {});
        EXPECT_LT(test::max_difference(test::logits_of(again.model), logits), kTolerance);
        export_lora(model, attached.adapters, attached.record, directory / (name + "-lora"), {});
        exchange.add(name + "-lora", base, directory / (name + "-lora"), logits);
      }
    }
  }
  exchange.expect_equal(python, kTolerance);
}

// Rows behind the base's words, trained beside the method and written as PEFT's trainable tokens.
TEST(AdapterFileOracle, PeftLoadsAddedWords) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with peft and transformers";
  TempDirectory directory;
  Exchange exchange(directory);
  constexpr std::int64_t kWords = test::kTinyVocab + 3;
  for (const test::TinyModel& tiny :
       {test::TinyModel{.family = "qwen2", .tied = true}, test::TinyModel{.family = "llama"}}) {
    const std::filesystem::path base = directory / tiny.family;
    test::write_tiny_model(base, tiny);
    LoadOptions load;
    load.vocab_size = kWords;
    Model model = load_model(base, load);
    const TargetOptions targets{.target_modules = {"q_proj"},
                                .trainable_token_indices = {kWords - 3, kWords - 2, kWords - 1},
                                .trainable_token_head = true};
    const Attached attached = attach(model, LoraConfig{}, targets, {.seed = 3});
    test::disturb(attached.adapters);
    const at::Tensor logits = test::logits_of(model);
    ASSERT_EQ(logits.size(1), kWords);
    save_adapter(model, attached.adapters, attached.record, directory / (tiny.family + "-a"));
    exchange.add(tiny.family, base, directory / (tiny.family + "-a"), logits, kWords);
    const std::filesystem::path merged = directory / (tiny.family + "-merged");
    merge_to_directory(model, attached.adapters, merged);
    exchange.add(tiny.family + "-merged", merged, {}, logits);
  }
  exchange.expect_equal(python, kTolerance);
}

TEST(AdapterFileOracle, TransformersLoadsTheFullModel) {
  const std::string python = test::oracle_python("peft,transformers");
  if (python.empty()) GTEST_SKIP() << "no Python with transformers";
  TempDirectory directory;
  Exchange exchange(directory);
  for (const test::TinyModel& tiny :
       {test::TinyModel{.family = "llama"}, test::TinyModel{.family = "llama", .tied = true},
        test::TinyModel{.family = "gpt2", .tied = true}}) {
    const std::string name = tiny.family + (tiny.tied ? "-tied" : "");
    test::write_tiny_model(directory / name, tiny);
    Model model = load_model(directory / name);
    const Attached attached = attach(model, FullConfig{}, {}, {.seed = 3});
    test::disturb(attached.adapters, 0.02);
    save_adapter(model, attached.adapters, attached.record, directory / (name + "-full"));
    exchange.add(name, directory / (name + "-full"), {}, test::logits_of(model));
  }
  exchange.expect_equal(python, kTolerance);
}

}  // namespace peft_files_test
}  // namespace svtune
