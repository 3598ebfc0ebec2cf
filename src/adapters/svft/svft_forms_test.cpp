// The three forms against the plain formula under autograd, and against finite differences.
#include "adapters/svft/svft_forms.h"

#include <gtest/gtest.h>

#include "adapters/svft/positions.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace svft_forms_test {

at::Tensor seeded(at::IntArrayRef shape, std::uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::kDouble);
}

// One small layer in fp64 with a random non-zero M.
struct Layer {
  Layer(std::int64_t out, std::int64_t in, const at::Tensor& positions, bool gated)
      : base(seeded({out, in}, 1)) {
    const auto [U, S, Vh] = at::linalg_svd(base.dense(), /*full_matrices=*/false);
    pattern = std::make_shared<SparsePattern>(S.size(0), positions);
    M = seeded({pattern->count()}, 2).requires_grad_(true);
    if (gated) gate = at::full({1}, 0.4, at::kDouble).requires_grad_(true);
    factors = {BaseWeight(U.t().contiguous()), BaseWeight(Vh.contiguous()), S, {}, {}, pattern};
    update();
  }

  void update() {
    const at::NoGradGuard no_grad;
    factors.values = gate.defined() ? M.detach() * gate.detach().sigmoid() : M.detach().clone();
    factors.dense = base.dense() + svft_delta(factors);
  }

  at::Tensor output(const at::Tensor& x, SvftForm form) const {
    return svft_linear(x, base, form, factors, M, gate);
  }

  // x (W + U M Vᵀ)ᵀ with everything dense, differentiated by autograd.
  at::Tensor reference(const at::Tensor& x) const {
    const at::Tensor values = gate.defined() ? M * gate.sigmoid() : M;
    const std::int64_t n = pattern->size();
    const at::Tensor mask = pattern->dense(at::arange(1, M.size(0) + 1, at::kDouble));
    const at::Tensor index = (mask - 1).clamp_min(0).to(at::kLong).flatten();
    const at::Tensor dense =
        (values.index_select(0, index) * mask.gt(0).flatten().to(at::kDouble)).view({n, n});
    const at::Tensor weight =
        base.dense() + at::mm(at::mm(factors.Uh.dense().t(), dense), factors.Vh.dense());
    return at::mm(x, weight.t());
  }

  BaseWeight base;
  std::shared_ptr<SparsePattern> pattern;
  at::Tensor M, gate;
  SvftFactors factors;
};

struct Gradients {
  at::Tensor x, M, gate;
};

Gradients gradients_of(Layer& layer, const at::Tensor& loss, at::Tensor& x) {
  layer.M.mutable_grad() = at::Tensor();
  x.mutable_grad() = at::Tensor();
  if (layer.gate.defined()) layer.gate.mutable_grad() = at::Tensor();
  loss.backward();
  return {x.grad().clone(), layer.M.grad().clone(),
          layer.gate.defined() ? layer.gate.grad().clone() : at::Tensor()};
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

constexpr SvftForm kForms[] = {SvftForm::kDelta, SvftForm::kFactored, SvftForm::kDense};
constexpr double kRounding = 1e-12;

TEST(SvftForms, EqualThePlainFormulaAndItsGradients) {
  struct Case {
    std::int64_t out, in;
    at::Tensor positions;
  };
  for (const Case& c : {Case{9, 14, banded_positions(9, 0)}, Case{14, 9, banded_positions(9, 2)},
                        Case{11, 11, random_positions(11, 31, 3)}}) {
    for (const bool gated : {false, true}) {
      Layer layer(c.out, c.in, c.positions, gated);
      at::Tensor x = seeded({5, c.in}, 4).requires_grad_(true);
      const at::Tensor weights = seeded({5, c.out}, 5);
      const at::Tensor expected = layer.reference(x);
      const Gradients reference = gradients_of(layer, (expected * weights).sum(), x);
      for (const SvftForm form : kForms) {
        const at::Tensor y = layer.output(x, form);
        EXPECT_LT(distance(y, expected), kRounding);
        const Gradients got = gradients_of(layer, (y * weights).sum(), x);
        EXPECT_LT(distance(got.x, reference.x), kRounding);
        EXPECT_LT(distance(got.M, reference.M), kRounding);
        if (gated) {
          EXPECT_LT(distance(got.gate, reference.gate), kRounding);
        }
      }
    }
  }
}

// Central differences of a non-linear loss, step 1e-5: error about 1e-9 of the gradient.
TEST(SvftForms, GradientsEqualFiniteDifferences) {
  for (const SvftForm form : kForms) {
    Layer layer(7, 8, random_positions(7, 20, 6), /*gated=*/true);
    at::Tensor x = seeded({4, 8}, 7).requires_grad_(true);
    const auto loss = [&] { return layer.output(x, form).sin().sum(); };
    const Gradients got = gradients_of(layer, loss(), x);
    const auto check = [&](at::Tensor& leaf, const at::Tensor& gradient) {
      const at::NoGradGuard no_grad;
      at::Tensor flat = leaf.detach().view({-1});
      for (std::int64_t k = 0; k < flat.numel(); ++k) {
        const double value = flat[k].item<double>(), step = 1e-5;
        double sides[2];
        for (const int side : {0, 1}) {
          flat[k] = value + (side == 0 ? step : -step);
          layer.update();
          sides[side] = loss().item<double>();
        }
        flat[k] = value;
        layer.update();
        EXPECT_NEAR((sides[0] - sides[1]) / (2 * step), gradient.view({-1})[k].item<double>(),
                    1e-7);
      }
    };
    check(layer.M, got.M);
    check(layer.gate, got.gate);
    check(x, got.x);
  }
}

TEST(SvftForms, NoGradientOfTheInputWhenNobodyWantsIt) {
  for (const SvftForm form : kForms) {
    Layer layer(6, 5, banded_positions(5, 1), false);
    const at::Tensor x = seeded({3, 5}, 8);
    layer.output(x, form).sum().backward();
    EXPECT_TRUE(layer.M.grad().defined());
    EXPECT_FALSE(x.grad().defined());
  }
}

TEST(SvftForms, CostDecidesTheForm) {
  const SvftShape square{512, 896, 896, 896}, many{8192, 896, 896, 896}, tall{8192, 896, 4864, 896};
  EXPECT_EQ(cheapest_form(square, at::kFloat, true, true, false), SvftForm::kFactored);
  EXPECT_EQ(cheapest_form(many, at::kFloat, true, true, false), SvftForm::kDense);
  EXPECT_EQ(cheapest_form(tall, at::kFloat, true, true, false), SvftForm::kFactored);
  EXPECT_EQ(cheapest_form(square, at::kFloat, true, false, false), SvftForm::kDelta);
  EXPECT_EQ(cheapest_form(many, at::kBFloat16, true, true, false), SvftForm::kFactored);
  EXPECT_EQ(cheapest_form(many, at::kBFloat16, true, false, false), SvftForm::kDelta);
  // One token at a time: the rebuilt weight pays only where it exists already.
  const SvftShape token{1, 896, 896, 896};
  EXPECT_EQ(cheapest_form(token, at::kFloat, false, true, false), SvftForm::kFactored);
  EXPECT_EQ(cheapest_form(token, at::kFloat, false, true, true), SvftForm::kDense);
}

}  // namespace svft_forms_test
}  // namespace svtune
