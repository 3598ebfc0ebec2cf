// Mixes of changes against PEFT's rules, and of adapters against sums of merged weights.
#include "export/mix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "adapters/dora/dora.h"
#include "adapters/lora/lora.h"
#include "adapters/oft/oft.h"
#include "adapters/pissa/pissa.h"
#include "adapters/vera/vera.h"
#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace mix_test {

using ::testing::HasSubstr;

at::Tensor gaussian(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  return at::randn({rows, columns}, at::detail::createCPUGenerator(seed), at::kFloat);
}

std::vector<at::Tensor> three_changes() {
  return {gaussian(12, 9, 1), gaussian(12, 9, 2), gaussian(12, 9, 3)};
}

const std::vector<double> kWeights = {0.7, -0.4, 1.5};

// PEFT's own functions on the changes themselves; it calls them so for *_svd.
constexpr char kPeft[] = R"(
import sys, json, warnings, numpy as np, torch
warnings.simplefilter("ignore")
sys.modules["bitsandbytes"] = None  # as tests/oracle/without_bitsandbytes.py
from peft.utils import merge_utils as m
folder, mixes = sys.argv[1], []
w = torch.tensor([0.7, -0.4, 1.5])
for rule, density, sign in (case.split(",") for case in sys.argv[2:]):
    t = [torch.from_numpy(np.fromfile(f"{folder}/{i}", np.float32)).view(12, 9) for i in range(3)]
    if rule == "ties": r = m.ties(t, w, float(density), sign)
    elif rule == "linear": r = m.task_arithmetic(t, w)
    elif rule == "dare_ties": r = m.dare_ties(t, w, float(density), sign)
    else: r = m.dare_linear(t, w, float(density))
    mixes.append(r.flatten().tolist())
print(json.dumps(mixes))
)";

std::string text_of(const MixConfig& config) {
  return std::string(enum_name(config.rule)) + "," + std::to_string(config.density) + "," +
         std::string(enum_name(config.majority_sign));
}

// What PEFT makes of the changes in each way.
std::vector<at::Tensor> peft_mixes(const std::string& python,
                                   const std::vector<at::Tensor>& changes,
                                   const std::vector<MixConfig>& configs) {
  const test::TempDirectory folder;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::ofstream(folder / std::to_string(i), std::ios::binary)
        .write(static_cast<const char*>(changes[i].const_data_ptr()),
               static_cast<std::streamsize>(changes[i].nbytes()));
  }
  std::vector<std::string> arguments = {folder.path().string()};
  for (const MixConfig& config : configs) arguments.push_back(text_of(config));
  std::vector<at::Tensor> mixes;
  for (const Json& values : parse_json(test::run_oracle(python, kPeft, arguments), "peft")) {
    const at::Tensor flat = at::tensor(values.get<std::vector<double>>());
    mixes.push_back(flat.to(at::kFloat).view({12, 9}));
  }
  return mixes;
}

TEST(Mix, RulesArePefts) {
  const std::string python = test::oracle_python("peft,numpy");
  if (python.empty()) GTEST_SKIP() << "no Python with PEFT";
  std::vector<MixConfig> configs = {{}, {MixRule::kDareLinear, 1.0}};
  for (const MajoritySign sign : {MajoritySign::kTotal, MajoritySign::kFrequency}) {
    for (const double density : {0.2, 0.5, 1.0}) configs.push_back({MixRule::kTies, density, sign});
    configs.push_back({MixRule::kDareTies, 1.0, sign});
  }
  const std::vector<at::Tensor> changes = three_changes();
  const std::vector<at::Tensor> wanted = peft_mixes(python, changes, configs);
  ASSERT_EQ(wanted.size(), configs.size());
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const at::Tensor got = mix_changes(changes, kWeights, configs[i], {1, 2, 3});
    EXPECT_TRUE(at::allclose(got, wanted[i], 1e-5, 1e-6)) << text_of(configs[i]);  // order of sums
  }
}

// PEFT draws with torch's generator, so below density 1 the definition is the oracle: an entry is
// zero or has grown by 1 / density, as often as asked.
TEST(Mix, DareKeepsAShareAndTheMeanAndIsSeeded) {
  const at::Tensor change = gaussian(200, 150, 4);
  const MixConfig config{MixRule::kDareLinear, 0.3};
  const at::Tensor got = mix_changes({change}, {1.0}, config, {5});
  const at::Tensor kept = got != 0;
  EXPECT_TRUE(at::allclose(got, change * kept / 0.3, 1e-5, 0));
  // Five deviations of 30000 draws.
  EXPECT_NEAR(kept.sum().item<double>() / 30000, 0.3, 5 * std::sqrt(0.3 * 0.7 / 30000));
  EXPECT_TRUE(got.equal(mix_changes({change}, {1.0}, config, {5})));
  EXPECT_FALSE(got.equal(mix_changes({change}, {1.0}, config, {6})));
}

Model tiny_model() {
  const test::TempDirectory folder;
  test::write_tiny_model(folder.path(), {.layers = 2});
  return load_model(folder.path());  // what is mapped outlives the file's name
}

// A model with one adapter of the method whose values are drawn.
LoadedModel with_adapter(const MethodConfig& method, const std::vector<std::string>& targets,
                         std::uint64_t seed) {
  LoadedModel loaded{tiny_model(), std::nullopt, {}};
  TargetOptions chosen;
  chosen.target_modules = targets;
  Attached attached = attach(loaded.model, method, chosen, {.seed = seed});
  test::disturb(attached.adapters, 0.05, seed);
  loaded.adapter = LoadedAdapter{std::move(attached.adapters), std::move(attached.record), {}};
  return loaded;
}

Linear& layer_of(Model& model, const std::string& name) {
  for (Linear* layer : model.net->linears()) {
    if (layer->name() == name) return *layer;
  }
  throw std::out_of_range(name);
}

at::Tensor change_of(Model& model, const std::string& name) {
  const Linear& layer = layer_of(model, name);
  return layer.effective_weight() - layer.base().dense();
}

constexpr char kQuery[] = "model.layers.1.self_attn.q_proj",
               kValue[] = "model.layers.0.self_attn.v_proj";

std::vector<LoadedModel> three_methods() {
  std::vector<LoadedModel> list;
  list.push_back(with_adapter(LoraConfig{.low_rank = {.rank = 3}}, {"q_proj"}, 1));
  list.push_back(with_adapter(PissaConfig{.low_rank = {.rank = 2}}, {"q_proj", "v_proj"}, 2));
  list.push_back(with_adapter(VeraConfig{.rank = 4}, {"q_proj"}, 3));
  return list;
}

std::vector<MixPart> parts_of(const std::vector<LoadedModel>& loaded) {
  std::vector<MixPart> parts;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    parts.push_back({std::to_string(i), kWeights[i], &loaded[i]});
  }
  return parts;
}

at::Tensor weighted_sum(std::vector<LoadedModel>& loaded, const std::string& name) {
  at::Tensor sum;
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const at::Tensor one = change_of(loaded[i].model, name) * kWeights[i];
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

TEST(Mix, SumOfMethodsIsExactAndItsFactorsAreTheSmallest) {
  std::vector<LoadedModel> loaded = three_methods();
  Model base = tiny_model();
  const LoadedAdapter mixed = mix_adapters(base, parts_of(loaded), {});
  EXPECT_EQ(mixed.adapters.layers.size(), 4u);  // q_proj and v_proj of two layers
  for (const char* name : {kQuery, kValue}) {
    const at::Tensor wanted = weighted_sum(loaded, name);
    // A change is read off fp32 weights of size 0.15 and up to 2.6 times of it are summed.
    EXPECT_TRUE(at::allclose(change_of(base, name), wanted, 1e-4, 1e-6)) << name;
    const LowRankDelta delta = layer_of(base, name).adapter()->low_rank_delta().value();
    EXPECT_TRUE(at::allclose(at::mm(delta.up, delta.down) * delta.scale, wanted, 1e-4, 1e-6));
  }
  // 3 + 2 · 2 + 4 directions of q_proj; of v_proj PiSSA's alone.
  EXPECT_EQ(layer_of(base, kQuery).adapter()->low_rank_delta()->down.size(0), 11);
  EXPECT_EQ(layer_of(base, kValue).adapter()->low_rank_delta()->down.size(0), 4);
}

// Modules of PiSSA from one base live together: each stands beside the base itself, not beside what
// its own start leaves of it.
TEST(Mix, PissaModulesOfOneBaseAdd) {
  const PissaConfig pissa{.low_rank = {.rank = 2}};
  std::vector<LoadedModel> loaded;
  for (const std::uint64_t seed : {1, 2, 3}) {
    loaded.push_back(with_adapter(pissa, {"q_proj"}, seed));
  }
  Model base = tiny_model();
  mix_adapters(base, parts_of(loaded), {});
  EXPECT_TRUE(at::allclose(change_of(base, kQuery), weighted_sum(loaded, kQuery), 1e-4, 1e-6));
  // Three times rank 2r, of which the initial factors are the same.
  EXPECT_LE(layer_of(base, kQuery).adapter()->low_rank_delta()->down.size(0), 8);
}

// Two adapters with the same A need no more room than one.
TEST(Mix, SharedDirectionsAreStoredOnce) {
  std::vector<LoadedModel> loaded;
  loaded.push_back(with_adapter(LoraConfig{.low_rank = {.rank = 3}}, {"q_proj"}, 1));
  loaded.push_back(with_adapter(LoraConfig{.low_rank = {.rank = 3}}, {"q_proj"}, 1));
  Model base = tiny_model();
  mix_adapters(base, {{"a", 0.5, &loaded[0]}, {"b", 2, &loaded[1]}}, {});
  EXPECT_EQ(layer_of(base, kQuery).adapter()->low_rank_delta()->down.size(0), 3);
  EXPECT_TRUE(
      at::allclose(change_of(base, kQuery), change_of(loaded[0].model, kQuery) * 2.5, 1e-4, 1e-6));
}

// Methods without factors go through the difference that they make.
TEST(Mix, MethodsWithoutFactorsAreMixedDensely) {
  std::vector<LoadedModel> loaded;
  loaded.push_back(with_adapter(DoraConfig{.low_rank = {.rank = 3}}, {"q_proj"}, 1));
  OftConfig oft;
  oft.block_size = 4;
  loaded.push_back(with_adapter(oft, {"q_proj"}, 2));
  loaded.push_back(with_adapter(LoraConfig{.low_rank = {.rank = 2}}, {"q_proj"}, 3));
  for (const MixRule rule : {MixRule::kLinear, MixRule::kTies}) {
    Model base = tiny_model();
    mix_adapters(base, parts_of(loaded), {rule, 0.5});
    std::vector<at::Tensor> changes;
    for (LoadedModel& each : loaded) changes.push_back(change_of(each.model, kQuery));
    EXPECT_TRUE(at::allclose(change_of(base, kQuery),
                             mix_changes(changes, kWeights, {rule, 0.5}, {}), 1e-4, 1e-6));
    EXPECT_FALSE(layer_of(base, kQuery).adapter()->low_rank_delta().has_value());
    const at::Tensor x = gaussian(5, 32, 9);
    EXPECT_TRUE(at::allclose(layer_of(base, kQuery).forward(x),
                             at::linear(x, layer_of(base, kQuery).effective_weight())));
  }
}

TEST(Mix, WholeTensorsAreRefusedByName) {
  LoadedModel loaded{tiny_model(), std::nullopt, {}};
  TargetOptions targets;
  targets.target_modules = {"q_proj"};
  targets.modules_to_save = {"norm"};
  Attached attached = attach(loaded.model, LoraConfig{}, targets);
  loaded.adapter = LoadedAdapter{std::move(attached.adapters), std::move(attached.record), {}};
  Model base = tiny_model();
  try {
    mix_adapters(base, {{"prose", 1, &loaded}}, {});
    FAIL() << "mixed";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("prose trains model."));
  }
}

}  // namespace mix_test
}  // namespace svtune
