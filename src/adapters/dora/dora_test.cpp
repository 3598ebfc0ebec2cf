// What only DoRA promises: norms without the dense sum, the gradient with the norm held constant,
// PEFT's dropout, and starts at the weight's own lengths. The contract suite has the rest.
#include "adapters/dora/dora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/dora/dora_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace dora_test {

const std::string kLayer = "model.layers.1.up_proj";

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

// A fresh adapter with its leaves moved away from their start.
std::unique_ptr<DoraAdapter> moved(const DoraConfig& config, const BaseWeight& base,
                                   double deviation) {
  AdapterInit init = make_adapter(config, {kLayer, base, 5});
  std::unique_ptr<DoraAdapter> adapter(dynamic_cast<DoraAdapter*>(init.adapter.release()));
  std::uint64_t seed = 70;
  for (const Trainable& each : adapter->trainables()) {
    each.tensor.detach().add_(seeded(each.tensor.sizes().vec(), seed++) * deviation);
  }
  adapter->refresh(base);
  return adapter;
}

at::Tensor dense_norms(const at::Tensor& W, const LowRankDelta& delta) {
  const at::Tensor sum = W.to(at::kDouble) +
                         at::mm(delta.up.to(at::kDouble), delta.down.to(at::kDouble)) * delta.scale;
  return at::linalg_vector_norm(sum, 2, {1});
}

double relative_distance(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs() / expected).max().item<double>();
}

TEST(Dora, FactoredNormsEqualDenseNorms) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    const BaseWeight base(seeded({300, 70}, 1).to(dtype));
    const LowRankDelta delta{seeded({6, 70}, 2).to(at::kFloat), seeded({300, 6}, 3).to(at::kFloat),
                             0.7};
    const at::Tensor norms = factored_row_norms(base, row_squares(base), delta);
    // Products of 70 fp32 terms, sums in fp64.
    EXPECT_LT(relative_distance(norms, dense_norms(base.dense(), delta)), 1e-6);
  }
}

TEST(Dora, FactoredNormsSurviveCancellation) {
  // The update takes all of W away but one part in a thousand.
  const at::Tensor up = seeded({40, 4}, 4), down = seeded({4, 30}, 5);
  const BaseWeight base(at::mm(up, down));
  const LowRankDelta delta{down, up, -0.999};
  const at::Tensor norms = factored_row_norms(base, row_squares(base), delta);
  EXPECT_LT(relative_distance(norms, dense_norms(base.dense(), delta)), 1e-6);
}

TEST(Dora, LengthsStartAsThoseOfTheWeight) {
  const BaseWeight base(seeded({24, 40}, 6).to(at::kBFloat16));
  const at::Tensor expected = at::linalg_vector_norm(base.dense().to(at::kDouble), 2, {1});
  for (const DoraInit start : {DoraInit::kKaiming, DoraInit::kGaussian, DoraInit::kPissa}) {
    const DoraConfig config{{.rank = 3}, start};
    AdapterInit init = make_adapter(config, {kLayer, base, 5});
    const at::Tensor lengths = init.adapter->trainables().back().tensor.detach().to(at::kDouble);
    EXPECT_LT(relative_distance(lengths, expected), 1e-6);
  }
}

TEST(Dora, GradientsAreThoseWithTheNormHeldConstant) {
  for (const DoraInit start : {DoraInit::kKaiming, DoraInit::kPissa}) {
    const BaseWeight base(seeded({12, 20}, 7));
    const auto adapter = moved({{.rank = 3, .alpha = 5.0}, start}, base, 0.1);
    const at::Tensor x = seeded({9, 20}, 8).requires_grad_(true), weights = seeded({9, 12}, 9);
    (adapter->forward(x, base) * weights).sum().backward();

    // The same function written out, of fresh leaves and with the norm of now.
    const at::Tensor A = adapter->update().A().detach().clone().requires_grad_(true);
    const at::Tensor B = adapter->update().B().detach().clone().requires_grad_(true);
    const at::Tensor m = adapter->magnitude().detach().clone().requires_grad_(true);
    const at::Tensor z = x.detach().clone().requires_grad_(true);
    at::Tensor W = base.dense();
    if (const auto taken = adapter->start_in_base()) {
      W = W - at::mm(taken->up, taken->down) * taken->scale;
    }
    const at::Tensor changed = W + at::mm(B, A) * adapter->update().scaling();
    const at::Tensor norms = at::linalg_vector_norm(changed.detach(), 2, {1});
    (at::linear(z, changed) * (m / norms) * weights).sum().backward();
    // fp64 on both sides.
    EXPECT_LT((x.grad() - z.grad()).abs().max().item<double>(), 1e-9);
    const std::vector<Trainable> leaves = adapter->trainables();
    const std::vector<at::Tensor> expected{A, B, m};
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error =
          (leaves[i].tensor.grad() - expected[i].grad()).abs().max().item<double>();
      EXPECT_LT(error, 1e-9) << leaves[i].name;
    }
  }
}

TEST(Dora, DropoutLeavesToTheWeightWhatItTakesFromTheInput) {
  const BaseWeight base(seeded({12, 20}, 7));
  const auto adapter = moved({{.rank = 3, .dropout = 0.4}}, base, 0.1);
  const at::Tensor x = seeded({9, 20}, 8);
  adapter->begin_micro_batch(true, 11);
  const at::Tensor y = adapter->forward(x, base);
  const at::Tensor dropped = x * adapter->update().dropout_mask(x);
  const LowRankDelta delta = *adapter->update().low_rank_delta();
  const at::Tensor c = adapter->magnitude() / dense_norms(base.dense(), delta);
  // PEFT's formula: W x + (c - 1) W x~ + c s B A x~.
  const at::Tensor expected = at::linear(x, base.dense()) +
                              (c - 1) * at::linear(dropped, base.dense()) +
                              c * at::linear(dropped, at::mm(delta.up, delta.down)) * delta.scale;
  EXPECT_LT((y - expected).abs().max().item<double>(), 1e-12);
  adapter->begin_micro_batch(false, 0);
  EXPECT_GT((adapter->forward(x, base) - y).abs().max().item<double>(), 1e-3);
}

TEST(Dora, RowsOfZerosStayFinite) {
  at::Tensor W = seeded({8, 10}, 12).to(at::kFloat);
  W.select(0, 3).zero_();
  const BaseWeight base(W);
  AdapterInit init = make_adapter(DoraConfig{{.rank = 2}}, {kLayer, base, 5});
  const at::Tensor x = seeded({4, 10}, 13).to(at::kFloat);
  const at::Tensor y = init.adapter->forward(x, base);
  EXPECT_LT((y - at::linear(x, W)).abs().max().item<double>(), 1e-6);
  y.sum().backward();
  for (const Trainable& each : init.adapter->trainables()) {
    EXPECT_TRUE(std::isfinite(each.tensor.grad().sum().item<double>())) << each.name;
  }
}

TEST(Dora, PissaStartNeedsTheFullWeights) {
  const BaseWeight base(seeded({32, 64}, 14).to(at::kFloat));
  const auto codes = std::make_shared<QuantizedMatrix>(quantize(base.dense(), QuantConfig{}));
  const BaseWeight quantized(codes, at::kFloat);
  EXPECT_THROW(check_layer(DoraConfig{{.rank = 2}, DoraInit::kPissa}, {kLayer, quantized, 5}),
               ModelError);
  EXPECT_NO_THROW(check_layer(DoraConfig{{.rank = 2}}, {kLayer, quantized, 5}));
}

}  // namespace dora_test
}  // namespace svtune
