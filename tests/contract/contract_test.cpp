// One suite for every method in adapters/methods.h: what any of them must keep, whatever its
// mathematics. A new method is tested by being in the list of contract_test_util.h.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "base/errors.h"
#include "base/hash.h"
#include "contract_test_util.h"
#include "io/tiny_model_test_util.h"
#include "libtorch/prelude.h"
#include "nn/finite_differences_test_util.h"
#include "quantized_base/quantize_model.h"
#include "train/checkpoint.h"
#include "train/optimizer.h"

namespace svtune {
namespace contract_test {

using test::Contract;
using test::loss_of;
using test::max_difference;
using Case = test::ContractCase;

std::vector<Case> cases() { return test::contract_cases(); }

// The base's bytes are views of the file's mapping, so hashing them proves nothing was written.
std::uint64_t base_hash(const Model& model) { return model.fingerprint(); }

TEST_P(Contract, StartsAtTheBaseModel) {
  if (method_traits(GetParam().method).moves_start) {
    GTEST_SKIP() << "starts beside the base: where, is tested with the method";
  }
  Model base = load(at::kDouble);
  const at::Tensor expected = test::logits_of(base);
  Model model = load(at::kDouble);
  attach_to(model);
  // fp64 arithmetic over two layers; a difference form leaves exact zeros.
  EXPECT_LT(max_difference(test::logits_of(model), expected), 1e-9);
}

TEST_P(Contract, StartsAtTheBaseModelInBf16) {
  if (method_traits(GetParam().method).moves_start) {
    GTEST_SKIP() << "starts beside the base: where, is tested with the method";
  }
  Model base = load(at::kBFloat16);
  const double expected = loss_of(base).item<double>();
  Model model = load(at::kBFloat16);
  const Attached attached = attach_to(model);
  double loss = loss_of(model).item<double>();
  MethodConfig method = GetParam().method;
  // A training run does the same with as few layers as it takes.
  if (std::abs(loss - expected) > 1e-3 * std::abs(expected) &&
      method_start_exactly(method, attached.adapters.layers)) {
    loss = loss_of(model).item<double>();
  }
  EXPECT_NEAR(loss, expected, 1e-3 * std::abs(expected));
}

TEST_P(Contract, ProductsThatStartExactlyDoSoToTheBit) {
  MethodConfig method = GetParam().method;
  Model base = load(at::kBFloat16), model = load(at::kBFloat16);
  const Attached attached = attach_to(model);
  if (!method_start_exactly(method, attached.adapters.layers)) {
    GTEST_SKIP() << "has no other products";
  }
  EXPECT_TRUE(at::equal(test::logits_of(model), test::logits_of(base)));
  EXPECT_FALSE(method == GetParam().method);  // what an adapter is loaded with again
  EXPECT_FALSE(method_start_exactly(method, attached.adapters.layers));
}

TEST_P(Contract, GradientsMatchFiniteDifferences) {
  if (method_traits(GetParam().method).constant_in_backward) {
    GTEST_SKIP() << "part of the forward is a constant in backward: tested beside the method";
  }
  Model model = load(at::kDouble);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters, 0.02);
  const auto loss = [&] { return loss_of(model); };
  EXPECT_GT(test::expect_gradients_of(loss, attached.adapters), 0);
}

TEST_P(Contract, MergedWeightEqualsForward) {
  Model model = load(at::kDouble);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters);
  std::int64_t seed = 0;
  for (const Linear* layer : attached.adapters.layers) {
    const at::Tensor x =
        test::random_tensor({5, layer->in_features()}, 1, 40 + seed++).to(at::kDouble);
    const at::NoGradGuard no_grad;
    const at::Tensor forward = layer->adapter()->forward(x, layer->base());
    const at::Tensor merged = at::linear(x, layer->effective_weight().to(at::kDouble));
    EXPECT_LT(max_difference(forward, merged), 1e-8) << layer->name();
  }
  EXPECT_GT(seed, 0);
}

// Two texts in one row of tokens.
Batch packed(const Batch& a, const Batch& b) {
  const std::int64_t first = a.num_tokens(), all = first + b.num_tokens();
  Batch both;
  both.tokens = at::cat({a.tokens, b.tokens});
  both.positions = at::cat({a.positions, b.positions});
  both.offsets = {0, static_cast<std::int32_t>(first), static_cast<std::int32_t>(all)};
  both.supervised = at::cat({a.supervised, b.supervised + first});
  both.targets = at::cat({a.targets, b.targets});
  return both;
}

TEST_P(Contract, PackedTextsLearnWhatTheyLearnApart) {
  Model model = load(at::kDouble);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters, 0.02);
  const Batch first = test::one_document(test::tiny_tokens()),
              second = test::one_document({9, 4, 31, 7, 7, 20});
  const std::vector<Trainable> leaves = attached.adapters.trainables();
  model.net->loss(packed(first, second)).backward();
  std::vector<at::Tensor> together;
  for (const Trainable& each : leaves) {
    together.push_back(each.tensor.grad().clone());
    each.tensor.mutable_grad() = at::Tensor();
  }
  model.net->loss(first).backward();
  model.net->loss(second).backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor apart = leaves[i].tensor.grad();
    // fp64, in another order.
    EXPECT_LT(max_difference(together[i], apart), 1e-9 * (1 + apart.abs().max().item<double>()))
        << leaves[i].name;
  }
}

// Leaves at their start plus `deviation` times fixed noise.
void place_at(const AdapterSet& adapters, const std::vector<at::Tensor>& start, double deviation) {
  const at::NoGradGuard no_grad;
  const std::vector<Trainable> leaves = adapters.trainables();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor noise = test::random_tensor(start[i].sizes().vec(), deviation, 7 + i);
    leaves[i].tensor.detach().copy_(start[i] + noise);
  }
  adapters.refresh();
}

at::Tensor inputs_of(const Linear& layer) {
  const std::uint64_t seed = hash64(layer.name());
  return test::random_tensor({2048, layer.in_features()}, 1, seed).to(at::kBFloat16);
}

std::map<std::string, at::Tensor> outputs_of(const AdapterSet& adapters) {
  const at::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> outputs;
  for (Linear* layer : adapters.layers) outputs[layer->name()] = layer->forward(inputs_of(*layer));
  return outputs;
}

// How much of a layer's change is in its output, and how large that is.
struct Effect {
  double got = 0, wanted = 0, base = 0;  // <y - y0, x ΔWᵀ>, |x ΔWᵀ|², |x Wᵀ|²
};

// `first`: outputs y0 of the start, which may be near the base's only.
Effect effect_of(const AdapterSet& adapters, const std::map<std::string, at::Tensor>& weights,
                 const std::map<std::string, at::Tensor>& first) {
  const at::NoGradGuard no_grad;
  Effect sum;
  for (Linear* layer : adapters.layers) {
    const at::Tensor x = inputs_of(*layer);
    const at::Tensor wide = x.to(at::kDouble), before = weights.at(layer->name()).to(at::kDouble);
    const at::Tensor base = wide.mm(before.t());
    const at::Tensor wanted = wide.mm((layer->effective_weight().to(at::kDouble) - before).t());
    const at::Tensor got =
        layer->forward(x).to(at::kDouble) - first.at(layer->name()).to(at::kDouble);
    sum.got += (got * wanted).sum().item<double>();
    sum.wanted += wanted.square().sum().item<double>();
    sum.base += base.square().sum().item<double>();
  }
  return sum;
}

TEST_P(Contract, AnUpdateFarBelowHalfAStepMovesTheMeanInBf16) {
  if (method_traits(GetParam().method).constant_in_backward) {
    GTEST_SKIP() << "scales each output of a finished product: its last rounding cannot be shared";
  }
  std::map<std::string, at::Tensor> weights;
  for (const Model base = load(at::kBFloat16); const Linear* layer : base.net->linears()) {
    weights[layer->name()] = layer->base().dense().clone();
  }
  Model model = load(at::kBFloat16);
  const Attached attached = attach_to(model);
  if (method_traits(GetParam().method).moves_start) {
    for (const Linear* layer : attached.adapters.layers) {
      weights[layer->name()] = layer->effective_weight();
    }
  }
  std::vector<at::Tensor> start;
  for (const Trainable& each : attached.adapters.trainables()) {
    start.push_back(each.tensor.detach().clone());
  }
  // Half a step of bf16 is between 2e-3 and 4e-3 of a value. Small changes are linear.
  constexpr double kTried = 1e-4, kWanted = 4e-4;
  const std::map<std::string, at::Tensor> first = outputs_of(attached.adapters);
  place_at(attached.adapters, start, kTried);
  const Effect tried = effect_of(attached.adapters, weights, first);
  const double size = std::sqrt(tried.wanted / tried.base);
  place_at(attached.adapters, start, kTried * kWanted / size);
  const Effect effect = effect_of(attached.adapters, weights, first);
  // The noise of two roundings is five times the update, over the root of a million values.
  EXPECT_NEAR(effect.got / effect.wanted, 1, 0.03);
}

TEST_P(Contract, OnlyTheIntendedTensorsTrain) {
  Model model = load(at::kFloat);
  const Attached attached = attach_to(model);
  const std::uint64_t before = base_hash(model);
  AdamW optimizer(attached.adapters.trainables(), {});
  attached.adapters.refresh();
  std::vector<at::Tensor> start;
  for (const Trainable& each : attached.adapters.trainables()) {
    start.push_back(each.tensor.detach().clone());
  }
  for (int step = 0; step < 3; ++step) {
    loss_of(model).backward();
    optimizer.step(1e-2);
    optimizer.zero_gradients();
    attached.adapters.refresh();
  }
  EXPECT_EQ(base_hash(model), before);
  const std::vector<Trainable> trained = attached.adapters.trainables();
  for (std::size_t i = 0; i < trained.size(); ++i) {
    EXPECT_GT(max_difference(trained[i].tensor.detach(), start[i]), 0) << trained[i].name;
  }
}

TEST_P(Contract, SavedAndLoadedGivesTheSameLogits) {
  if (method_traits(GetParam().method).trains_matrix) GTEST_SKIP() << "saved as a model (merge)";
  Model model = load(at::kFloat);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters);
  save_adapter(model, attached.adapters, attached.record, directory_ / "adapter");
  Model again = load(at::kFloat);
  const LoadedAdapter loaded = load_adapter(again, directory_ / "adapter");
  // The same fp32 state, hence the same bits.
  EXPECT_EQ(max_difference(test::logits_of(again), test::logits_of(model)), 0);
  save_adapter(again, loaded.adapters, loaded.record, directory_ / "second");
  std::int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "adapter")) {
    const auto twin = directory_ / "second" / entry.path().filename();
    EXPECT_EQ(read_file(entry.path(), 1 << 26), read_file(twin, 1 << 26)) << twin;
    ++files;
  }
  EXPECT_GE(files, 2);
}

// One text over and over.
class OneText final : public BatchSource {
 public:
  std::optional<Batch> next() override { return test::one_document(test::tiny_tokens()); }
  void rewind() override {}
  double epoch() const override { return 0; }
  Json position() const override { return Json::object(); }
  void seek(const Json&) override {}
};

class SaveEveryStep final : public TrainObserver {
 public:
  explicit SaveEveryStep(CheckpointStore& store) : store_(store) {}
  void on_step(const TrainState& state, const StepReport&) override {
    store_.save(state, std::nullopt);
  }
  void on_end(const TrainState&, const TrainResult&) override {}

 private:
  CheckpointStore& store_;
};

TEST_P(Contract, ResumedTrainingGivesTheSameBytes) {
  constexpr std::int64_t kSteps = 4;
  TrainConfig config;
  config.batch.gradient_accumulation = 1;
  const auto run = [&](bool resumed) {
    Model model = load(at::kBFloat16);
    Attached attached = attach_to(model, 5, !resumed);
    OneText text;
    TrainState state(attached.adapters, text, config.optimizer);
    CheckpointStore store(directory_ / "run");
    EXPECT_EQ(store.restore_latest(state).has_value(), resumed);
    SaveEveryStep observer(store);
    train(*model.net, state, config, kSteps, observer);
    return read_file(store.path(kSteps) / "state.safetensors", 1 << 26);
  };
  const std::string whole = run(false);
  for (const std::int64_t step : {kSteps, kSteps - 1}) {
    std::filesystem::remove_all(CheckpointStore(directory_ / "run").path(step));
  }
  EXPECT_TRUE(run(true) == whole);
}

TEST_P(Contract, SameSeedSameBits) {
  Model first = load(at::kFloat), second = load(at::kFloat);
  const Attached a = attach_to(first, 9), b = attach_to(second, 9);
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_TRUE(at::equal(left[i].tensor, right[i].tensor))
        << left[i].name << " by " << (left[i].tensor - right[i].tensor).abs().max().item<double>();
  }
}

// A base in 4 or 8 bits serves every method that leaves it frozen, without any of them knowing.
class QuantizedContract : public Contract {
 protected:
  void SetUp() override {
    Contract::SetUp();
    Model dense = load(at::kFloat);
    QuantizePlan plan;
    plan.type = GetParam().base;
    quantize_model(dense, plan, directory_ / "q");
  }
  Model load_quantized(at::ScalarType dtype) const {
    return load_model(directory_ / "q" / "base", {dtype});
  }
};

TEST_P(QuantizedContract, StartsAtTheQuantisedModel) {
  Model base = load_quantized(at::kDouble);
  const at::Tensor expected = test::logits_of(base);
  Model model = load_quantized(at::kDouble);
  attach_to(model);
  // As on a dense base: fp64 arithmetic over two layers.
  EXPECT_LT(max_difference(test::logits_of(model), expected), 1e-9);
  Model dense = load(at::kDouble);
  // 4-bit weights are off by about a tenth, 8-bit ones by less; the logits of size 3 follow.
  EXPECT_LT(max_difference(test::logits_of(dense), expected), 2.0);
}

TEST_P(QuantizedContract, GradientsAreThoseOfTheDequantisedModel) {
  Model quantized = load_quantized(at::kFloat), dense = load_quantized(at::kFloat);
  for (Linear* layer : dense.net->linears()) {
    layer->replace_base(BaseWeight(layer->base().dense().clone()));
  }
  const Attached a = attach_to(quantized), b = attach_to(dense);
  for (const AdapterSet* set : {&a.adapters, &b.adapters}) test::disturb(*set, 0.02);
  loss_of(quantized).backward();
  loss_of(dense).backward();
  const auto left = a.adapters.trainables(), right = b.adapters.trainables();
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    // The same values go through the same products.
    EXPECT_TRUE(at::equal(left[i].tensor.grad(), right[i].tensor.grad())) << left[i].name;
  }
}

TEST_P(QuantizedContract, MergedWeightEqualsForward) {
  Model model = load_quantized(at::kDouble);
  const Attached attached = attach_to(model);
  test::disturb(attached.adapters);
  const Linear* layer = attached.adapters.layers.front();
  const at::Tensor x = test::random_tensor({5, layer->in_features()}, 1, 40).to(at::kDouble);
  const at::NoGradGuard no_grad;
  EXPECT_LT(max_difference(layer->adapter()->forward(x, layer->base()),
                           at::linear(x, layer->effective_weight())),
            1e-8);
}

std::vector<Case> quantized_cases() {
  std::vector<Case> list;
  for (const Case& each : cases()) {
    if (method_traits(each.method).needs_dense_base) continue;
    list.push_back(each);
    list.push_back({each.name + "_int8", each.method, QuantType::kInt8});
  }
  return list;
}

INSTANTIATE_TEST_SUITE_P(Methods, QuantizedContract, testing::ValuesIn(quantized_cases()),
                         [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(Methods, Contract, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(ContractCases, CoverEveryMethod) {
  std::set<std::size_t> seen;
  for (const Case& each : cases()) seen.insert(each.method.index());
  EXPECT_EQ(seen.size(), std::variant_size_v<MethodConfig>);
}

// Options that no layer, or not every layer, can have. k_proj is [16, 32]: the smallest.
std::vector<Case> impossible_cases() {
  LoraConfig lora;
  lora.low_rank.rank = 17;
  PissaConfig pissa;
  pissa.low_rank.rank = 17;
  PissaConfig range;
  range.low_rank.rank = 2;
  range.singular_values = "15:17";
  MiloraConfig milora;
  milora.low_rank.rank = 17;
  return {{"lora_rank", lora},
          {"milora_rank", milora},
          {"sorsa_rank", SorsaConfig{.rank = 17}},
          {"kasa_rank", KasaConfig{.low_rank = {.rank = 16}}},
          {"delta_lora_rank", DeltaLoraConfig{.low_rank = milora.low_rank}},
          {"flora_rank", FloraConfig{.rank = 17}},
          {"lora_xs_rank", LoraXsConfig{.rank = 17}},
          {"svfit_rank", SvfitConfig{.rank = 17}},
          {"pica_rank", PicaConfig{.rank = 17}},
          {"mica_rank", MicaConfig{.rank = 17}},
          {"psoft_rank", PsoftConfig{.rank = 17}},
          {"tinylora_rank", TinyloraConfig{.rank = 17}},
          {"pissa_rank", pissa},
          {"pissa_range", range},
          {"adalora_rank", AdaloraConfig{.rank = 17}},
          {"dora_rank", DoraConfig{lora.low_rank}},
          {"dora_pissa_rank", DoraConfig{lora.low_rank, DoraInit::kPissa}},
          {"svft_basis_rank", SvftConfig{.basis_rank = 17}},
          {"svft_bandwidth", SvftConfig{.bandwidth = 16}},
          {"svft_topk", SvftConfig{.pattern = SvftPattern::kTopK, .bandwidth = 1}}};
}

class ImpossibleOptions : public Contract {};

TEST_P(ImpossibleOptions, AreRefusedByLayerNameBeforeAnyLayerIsMade) {
  Model model = load(at::kFloat);
  AttachOptions options;
  options.progress = [](std::int64_t, std::int64_t) { ADD_FAILURE() << "a layer was made"; };
  try {
    attach(model, GetParam().method, {.target_modules = {"all-linear"}}, options);
    ADD_FAILURE() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_NE(std::string(error.what()).find("k_proj"), std::string::npos) << error.what();
  }
  for (Linear* layer : model.net->linears()) EXPECT_EQ(layer->adapter(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Methods, ImpossibleOptions, testing::ValuesIn(impossible_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace contract_test
}  // namespace svtune
