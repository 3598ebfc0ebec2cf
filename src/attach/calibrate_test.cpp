// What the pass over data sums and makes of it, against what autograd and LAPACK give for the same
// batches in fp64. PEFT's own starts: tests/parity/calibrated_start_test.cpp.
#include "attach/calibrate.h"

#include <ATen/ops/linalg_inv.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "io/tiny_encoder_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace calibrate_test {

using test::max_difference;
using test::TempDirectory;
using ::testing::HasSubstr;

const TargetOptions kTargets = {.target_modules = {"all-linear"}};

LoraConfig config(LoraInit init, std::int64_t rank = 3) {
  LoraConfig config;
  config.low_rank.rank = rank;
  config.low_rank.alpha = 2.0 * static_cast<double>(rank);
  config.init = init;
  return config;
}

// Inputs as they come, one batch after another.
class Capture final : public Adapter {
 public:
  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override {
    inputs.push_back(x);
    return base.matmul(x);
  }
  at::Tensor merged_weight(const BaseWeight& base) const override { return base.dense(); }
  std::vector<Trainable> trainables() override { return {}; }
  AdapterMemory memory(std::int64_t) const override { return {}; }
  std::vector<at::Tensor> inputs;
};

class Calibrate : public ::testing::Test {
 protected:
  void SetUp() override { test::write_tiny_model(directory_ / "m", {.layers = 2}); }
  Model load() { return load_model(directory_ / "m", {at::kDouble}); }

  // Two texts of 23 and 31 tokens; the first third of each is not learnt.
  static std::vector<Batch> texts() {
    std::vector<Batch> batches;
    for (const std::int64_t count : {23, 31}) {
      std::vector<std::int64_t> tokens;
      for (std::int64_t i = 0; i < count; ++i) {
        tokens.push_back((i * i * 5 + 3 * i + count) % test::kTinyVocab);
      }
      Batch batch = test::one_document(tokens);
      const std::int64_t skipped = count / 3;
      batch.supervised = batch.supervised.slice(0, skipped);
      batch.targets = batch.targets.slice(0, skipped);
      batches.push_back(batch);
    }
    return batches;
  }

  static std::map<std::string, std::vector<at::Tensor>> inputs_of(Model& model) {
    const at::NoGradGuard no_grad;
    std::map<std::string, std::vector<at::Tensor>> inputs;
    for (Linear* layer : model.net->linears()) layer->attach(std::make_unique<Capture>());
    for (const Batch& batch : texts()) model.net->forward(batch);
    for (Linear* layer : model.net->linears()) {
      inputs[layer->name()] = dynamic_cast<Capture&>(*layer->adapter()).inputs;
      layer->detach();
    }
    return inputs;
  }

  TempDirectory directory_;
};

at::Tensor row_lengths(const at::Tensor& matrix) {
  return at::linalg_vector_norm(matrix, 2, at::IntArrayRef{1}).to(at::kDouble);
}

at::Tensor column_lengths(const at::Tensor& matrix) { return row_lengths(matrix.t()); }

// 1 where the vectors of `rows` are those of `columns` but for their signs.
double least_cosine(const at::Tensor& rows, const at::Tensor& columns) {
  const at::Tensor unit = rows.to(at::kDouble) / row_lengths(rows).unsqueeze(1);
  return (unit * columns.t()).sum(1).abs().min().item<double>();
}

TEST_F(Calibrate, EvaTakesThePrincipalComponentsOfWhatLearntTokensSend) {
  Model model = load();
  LoraConfig eva = config(LoraInit::kEva);
  eva.rank_spread = 0;
  const Calibration found = calibrate(model, eva, kTargets, texts());
  EXPECT_EQ(found.method, MethodConfig(eva));
  for (const auto& [name, parts] : inputs_of(model)) {
    if (name == "lm_head") continue;
    std::vector<at::Tensor> learnt;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      learnt.push_back(parts[i].index_select(0, texts()[i].supervised));
    }
    at::Tensor X = at::cat(learnt);
    X = X - X.mean(0);
    const at::Tensor V = std::get<2>(at::linalg_svd(X, false)).t().narrow(1, 0, 3);
    EXPECT_GT(least_cosine(found.starts.at(name).down, V), 1 - 1e-8) << name;
  }
}

// Directions of the supervised rows of some texts, [in, 3].
at::Tensor components_of(const std::vector<at::Tensor>& inputs, const std::vector<Batch>& texts) {
  std::vector<at::Tensor> learnt;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    learnt.push_back(inputs[i].index_select(0, texts[i].supervised));
  }
  at::Tensor X = at::cat(learnt);
  X = X - X.mean(0);
  return std::get<2>(at::linalg_svd(X, false)).t().narrow(1, 0, 3);
}

TEST_F(Calibrate, EvaTellsHowManyDirectionsTheFirstHalfGave) {
  Model model = load();
  LoraConfig eva = config(LoraInit::kEva);
  eva.rank_spread = 0;
  const std::vector<Batch> two = texts(), one = {two[0]};
  std::int64_t same = 0, all = 0;
  for (const auto& [name, inputs] : inputs_of(model)) {
    if (name == "lm_head") continue;
    const at::Tensor cosines =
        (components_of(inputs, one) * components_of(inputs, two)).sum(0).abs();
    same += (cosines >= kSettled).sum().item<std::int64_t>();
    all += 3;
  }
  EXPECT_DOUBLE_EQ(calibrate(model, eva, kTargets, two).record.at("settled").get<double>(),
                   static_cast<double>(same) / static_cast<double>(all));
  const std::vector<Batch> twice = {two[0], two[1], two[0], two[1]};
  EXPECT_EQ(calibrate(model, eva, kTargets, twice).record.at("settled"), 1);
  EXPECT_FALSE(calibrate(model, eva, kTargets, one).record.contains("settled"));
}

TEST_F(Calibrate, AFirstHalfThatIsTooShortHasSettledNothing) {
  Model model = load();
  const std::vector<Batch> batches = {test::one_document({3, 4, 5, 6}), texts()[1]};
  EXPECT_EQ(calibrate(model, config(LoraInit::kEva), kTargets, batches).record.at("settled"), 0);
}

TEST_F(Calibrate, EvaGivesRanksToWhereTheyExplainMost) {
  Model model = load();
  LoraConfig eva = config(LoraInit::kEva, 1);
  eva.rank_spread = 7;
  const Calibration found = calibrate(model, eva, kTargets, texts());
  // Shares of the variance, by a decomposition of the inputs themselves.
  struct Row {
    double share;
    std::string layer;
  };
  std::vector<Row> rows;
  const auto inputs = inputs_of(model);
  for (const Linear* layer : model.net->linears()) {
    if (layer == &model.net->head()) continue;
    std::vector<at::Tensor> learnt;
    for (std::size_t i = 0; i < 2; ++i) {
      learnt.push_back(inputs.at(layer->name())[i].index_select(0, texts()[i].supervised));
    }
    at::Tensor X = at::cat(learnt);
    X = X - X.mean(0);
    const at::Tensor squares = std::get<1>(at::linalg_svd(X, false)).square();
    for (std::int64_t i = 0; i < 8; ++i) {
      rows.push_back({(squares[i] / squares.sum()).item<double>(), layer->name()});
    }
  }
  // Layers with the same inputs tie to the bit; the first keep the rank.
  std::ranges::stable_sort(rows, std::ranges::greater{}, &Row::share);
  std::map<std::string, std::int64_t> wanted;
  for (std::size_t i = 0; i < 14; ++i) ++wanted[rows[i].layer];
  EXPECT_LT(wanted.size(), 14u) << "no layer loses its rank: the case tests too little";

  Model fresh = load();
  const Attached attached = attach(fresh, found.method, found.targets, {.starts = &found.starts});
  std::map<std::string, std::int64_t> got;
  for (const AdaptedLayer& layer : attached.report.layers) {
    got[layer.name] = layer.report["rank"].get<std::int64_t>();
    EXPECT_EQ(layer.trainable, got[layer.name] * (layer.in_features + layer.out_features));
  }
  for (const Linear* layer : attached.adapters.layers) {
    // alpha follows the rank, so that the scaling stays at 2.
    EXPECT_DOUBLE_EQ(layer->adapter()->low_rank_delta()->scale, 2);
  }
  EXPECT_EQ(got, wanted);
}

TEST_F(Calibrate, CordaTakesPartsOfTheWeightThatItsInputsWeigh) {
  for (const CordaMode mode : {CordaMode::kInstruction, CordaMode::kKnowledge}) {
    Model model = load();
    LoraConfig corda = config(LoraInit::kCorda);
    corda.corda_mode = mode;
    const Calibration found = calibrate(model, corda, kTargets, texts());
    const auto inputs = inputs_of(model);
    for (const Linear* layer : model.net->linears()) {
      if (layer == &model.net->head()) continue;
      at::Tensor C = at::zeros({layer->in_features(), layer->in_features()}, at::kDouble);
      for (const at::Tensor& x : inputs.at(layer->name())) {
        const at::Tensor unit = x / x.max().abs();
        C += at::mm(unit.t(), unit) / 2;
      }
      C += at::eye(C.size(0), at::kDouble) * (0.01 * C.diagonal().mean().item<double>());
      const at::Tensor W = layer->base().dense();
      const auto [U, S, Vh] = at::linalg_svd(at::mm(W, C), false);
      const std::int64_t from = mode == CordaMode::kInstruction ? 0 : S.size(0) - 3;
      const at::Tensor rows = at::mm(Vh.narrow(0, from, 3), at::linalg_inv(C));
      const at::Tensor s = S.narrow(0, from, 3);
      const LowRankDelta& start = found.starts.at(layer->name());
      // What leaves the base; its singular vectors come in fp32.
      const at::Tensor product = at::mm(U.narrow(1, from, 3) * s, rows);
      const at::Tensor got = at::mm(start.up, start.down) * start.scale;
      EXPECT_LT((got - product).norm().item<double>(), 1e-4 * product.norm().item<double>())
          << layer->name();
      const at::Tensor sizes = (s / start.scale).sqrt() * row_lengths(rows);
      EXPECT_LT(((row_lengths(start.down) - sizes) / sizes).abs().max().item<double>(), 1e-3)
          << layer->name();
    }
  }
}

// dL/dW of the mean loss over both texts, by training the matrices themselves.
std::map<std::string, at::Tensor> gradients_of(Model& model, const std::vector<Batch>& texts) {
  const Attached full = attach(model, FullConfig{}, kTargets, {});
  std::int64_t learnt = 0;
  for (const Batch& batch : texts) {
    model.net->loss(batch).backward();
    learnt += batch.num_supervised();
  }
  std::map<std::string, at::Tensor> gradients;
  for (const Linear* layer : full.adapters.layers) {
    gradients[layer->name()] =
        layer->adapter()->trainables()[0].tensor.grad() / static_cast<double>(learnt);
  }
  return gradients;
}

// The authors' run_exp.py: A and B from the triplets of -G times √σ / √σ₁, over √γ each.
TEST_F(Calibrate, LoraOneTakesTheLeadingTripletsOfTheNegativeGradient) {
  for (const std::optional<double> gamma : {std::optional<double>(), std::optional<double>(2)}) {
    Model model = load(), whole = load();
    LoraConfig one = config(LoraInit::kLoraOne);
    one.stable_gamma = gamma;
    const Calibration found = calibrate(model, one, kTargets, texts());
    for (const auto& [name, gradient] : gradients_of(whole, texts())) {
      const auto [U, S, Vh] = at::linalg_svd(gradient, false);
      const at::Tensor part =
          at::mm(U.narrow(1, 0, 3) * S.narrow(0, 0, 3), Vh.narrow(0, 0, 3)) / S[0];
      const at::Tensor wanted = part / -gamma.value_or(128);
      const LowRankDelta& start = found.starts.at(name);
      const at::Tensor got = at::mm(start.up, start.down).to(at::kDouble);
      // The exact decomposition promises 1e-4 of the product.
      EXPECT_LT((got - wanted).norm().item<double>(), 1e-4 * wanted.norm().item<double>()) << name;
      const at::Tensor lengths = row_lengths(start.down) / column_lengths(start.up);
      EXPECT_LT((lengths - 1).abs().max().item<double>(), 1e-5) << name;
    }
  }
}

double loss_on(Model& model, const std::vector<Batch>& texts) {
  const at::NoGradGuard no_grad;
  double loss = 0;
  for (const Batch& batch : texts) loss += model.net->loss(batch).item<double>();
  return loss;
}

TEST_F(Calibrate, LoraOneWithItsFirstStepStartsThatFarFromTheBase) {
  Model model = load();
  const at::Tensor before = test::logits_of(model);
  const double base_loss = loss_on(model, texts());
  LoraConfig one = config(LoraInit::kLoraOne);
  one.first_step = true;
  EXPECT_TRUE(method_traits(one).moves_start);
  const Calibration found = calibrate(model, one, kTargets, texts());
  const Attached attached = attach(model, found.method, found.targets, {.starts = &found.starts});
  for (const Linear* layer : attached.adapters.layers) {
    const LowRankDelta& start = found.starts.at(layer->name());
    const at::Tensor step = at::mm(start.up, start.down).to(at::kDouble) * start.scale;
    // Values below one, held in fp32 at least.
    EXPECT_LT(max_difference(layer->effective_weight() - layer->base().dense(), step), 1e-6)
        << layer->name();
    EXPECT_EQ(layer->adapter()->low_rank_delta()->down.size(0), 3) << layer->name();
  }
  // A step of 1/64 in each direction, of logits of size 3, and downhill.
  EXPECT_GT(max_difference(test::logits_of(model), before), 1e-3);
  EXPECT_LT(loss_on(model, texts()), base_loss);
}

TEST_F(Calibrate, LoraGaTakesOtherTripletsForAThanForB) {
  for (const GradientScale scale : {GradientScale::kStable, GradientScale::kPeft}) {
    Model model = load(), whole = load();
    LoraConfig ga = config(LoraInit::kLoraGa);
    ga.gradient_scale = scale;
    ga.stable_gamma = 9;
    const Calibration found = calibrate(model, ga, kTargets, texts());
    for (const auto& [name, gradient] : gradients_of(whole, texts())) {
      const auto [U, S, Vh] = at::linalg_svd(gradient, false);
      const double factor = std::pow(static_cast<double>(gradient.size(0)), 0.25) / 3;
      const LowRankDelta& start = found.starts.at(name);
      EXPECT_GT(least_cosine(start.down, Vh.narrow(0, 0, 3).t()), 1 - 1e-6) << name;
      EXPECT_GT(least_cosine(start.up.t(), U.narrow(1, 3, 3)), 1 - 1e-6) << name;
      const bool stable = scale == GradientScale::kStable;
      const at::Tensor up = column_lengths(start.up);
      const at::Tensor wanted =
          stable ? at::full({3}, factor, at::kDouble) : S.narrow(0, 3, 3) * factor;
      EXPECT_LT(((up - wanted) / wanted).abs().max().item<double>(), 1e-4) << name;
      EXPECT_NEAR(row_lengths(start.down).max().item<double>(), stable ? factor : 1, 1e-5) << name;
    }
  }
}

TEST_F(Calibrate, MemoryDecidesHowOftenTheDataPassAndNothingElse) {
  for (const LoraInit init : {LoraInit::kEva, LoraInit::kCorda, LoraInit::kLoraOne}) {
    Model model = load();
    const Calibration once = calibrate(model, config(init), kTargets, texts());
    std::int64_t passed = 0;
    CalibrationOptions little{.memory_bytes = 1};
    little.progress = [&](std::int64_t done, std::int64_t) { passed = done; };
    const Calibration often = calibrate(model, config(init), kTargets, texts(), little);
    EXPECT_EQ(once.record["passes"], 1);
    EXPECT_EQ(often.record["passes"], 14);
    EXPECT_EQ(passed, 28);
    EXPECT_EQ(once.record["data"], often.record["data"]);
    ASSERT_EQ(once.starts.size(), often.starts.size());
    for (const auto& [name, start] : once.starts) {
      // Gradients may take another way through autograd, in fp64; factors are fp32.
      EXPECT_LT(max_difference(start.down, often.starts.at(name).down), 1e-6) << name;
    }
  }
}

TEST_F(Calibrate, TheHashTellsApartWhatIsReadAndWhatIsLearnt) {
  test::write_tiny_encoder(directory_ / "encoder", {.labels = 3});
  Model model = load_model(directory_ / "encoder", {at::kFloat});
  const auto longs = [](const std::vector<std::int64_t>& values) {
    return at::tensor(values, at::TensorOptions().dtype(at::kLong));
  };
  Batch batch;
  batch.tokens = longs({3, 4, 5, 6, 7, 8});
  batch.positions = longs({0, 1, 2, 0, 1, 2});
  batch.offsets = {0, 3, 6};
  batch.document_targets = longs({0, 2});
  const auto hash = [&](const Batch& each) {
    const TargetOptions queries{.target_modules = {"query"}};
    const std::vector<Batch> batches = {each};
    return calibrate(model, config(LoraInit::kLoraOne, 1), queries, batches)
        .record["data"]
        .get<std::string>();
  };
  const std::string own = hash(batch);
  EXPECT_EQ(hash(batch), own);
  Batch other = batch;
  other.document_targets = longs({0, 1});
  EXPECT_NE(hash(other), own);
  other = batch;
  other.token_types = longs({0, 0, 1, 0, 0, 1});
  EXPECT_NE(hash(other), own);
  other = batch;
  other.positions = longs({0, 1, 0, 1, 2, 3});
  other.offsets = {0, 2, 6};
  EXPECT_NE(hash(other), own);
}

TEST_F(Calibrate, LeavesTheModelAsItWas) {
  Model model = load();
  const at::Tensor before = test::logits_of(model);
  for (const LoraInit init : {LoraInit::kEva, LoraInit::kLoraGa}) {
    calibrate(model, config(init), kTargets, texts());
    for (Linear* layer : model.net->linears()) EXPECT_EQ(layer->adapter(), nullptr);
  }
  EXPECT_EQ(max_difference(test::logits_of(model), before), 0);
}

template <class Failure>
std::string refusal(Model& model, const MethodConfig& method, const std::vector<Batch>& batches) {
  try {
    calibrate(model, method, kTargets, batches);
  } catch (const Failure& error) {
    for (Linear* layer : model.net->linears()) EXPECT_EQ(layer->adapter(), nullptr);
    return error.what();
  }
  return "nothing was refused";
}

TEST_F(Calibrate, TooLittleDataAreRefused) {
  Model model = load();
  const std::vector<Batch> one = {test::one_document({3, 4, 5, 6})};
  EXPECT_THAT(refusal<ModelError>(model, config(LoraInit::kEva), one),
              HasSubstr("q_proj: saw 3 tokens, which have no 6 principal components"));
  Batch unlearnt = one[0];
  unlearnt.supervised = unlearnt.targets = at::empty({0}, at::kLong);
  EXPECT_THAT(refusal<UsageError>(model, config(LoraInit::kLoraGa), {unlearnt}),
              HasSubstr("no token that is learnt"));
  EXPECT_THAT(refusal<ModelError>(model, config(LoraInit::kLoraGa, 9), texts()),
              HasSubstr("k_proj: --init lora_ga takes two triplets"));
}

TEST_F(Calibrate, AStartFromDataIsRefusedWithoutData) {
  Model model = load();
  EXPECT_THROW(attach(model, config(LoraInit::kCorda), kTargets, {}), ModelError);
}

}  // namespace calibrate_test
}  // namespace svtune
