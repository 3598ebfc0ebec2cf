// The operators with hand-written backward passes against plain versions under autograd.
#include <gtest/gtest.h>

#include "libtorch/prelude.h"
#include "nn/norm.h"
#include "nn/ops/cross_entropy.h"
#include "nn/ops/low_rank.h"
#include "nn/ops/packed_attention.h"
#include "nn/ops/reference.h"
#include "nn/ops/rowwise.h"

namespace svtune {
namespace ops_test {

using Tensors = std::vector<at::Tensor>;

at::Tensor random_leaf(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble))
      .to(dtype)
      .requires_grad_(true);
}

Tensors widened(const Tensors& leaves) {
  Tensors copies;
  for (const at::Tensor& each : leaves) {
    copies.push_back(each.detach().to(at::kDouble).requires_grad_(true));
  }
  return copies;
}

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor reference = wanted.detach().to(at::kDouble);
  return ((got.detach().to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

// Value and every gradient of `fast` against those of `plain` in fp64 on the same numbers.
template <class Fast, class Plain>
void expect_same(const Tensors& leaves, double tolerance, const Fast& fast, const Plain& plain) {
  const Tensors wide = widened(leaves);
  const at::Tensor got = fast(leaves), wanted = plain(wide);
  ASSERT_EQ(got.sizes(), wanted.sizes());
  EXPECT_LT(relative(got, wanted), tolerance);
  const at::Tensor direction = random_leaf(got.sizes(), got.scalar_type(), 99).detach();
  (got * direction).sum().backward();
  (wanted * direction.to(at::kDouble)).sum().backward();
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    EXPECT_LT(relative(leaves[i].grad(), wide[i].grad()), tolerance) << "gradient " << i;
  }
}

// A few roundings of sums of some hundred terms; bf16 keeps 8 bits of every stored value.
constexpr double kFp32 = 3e-6, kFp64 = 1e-12, kBf16 = 1e-2;

struct AttentionCase {
  AttentionSpec spec;
  at::ScalarType dtype;
  double tolerance;
  friend std::ostream& operator<<(std::ostream& out, const AttentionCase& each) {
    return out << each.dtype << " softcap " << each.spec.softcap << " window " << each.spec.window
               << (each.spec.causal ? "" : " both ways");
  }
};

class Attention : public testing::TestWithParam<AttentionCase> {};

// Documents shorter than a tile, of several tiles, and of one token; two query heads a key head.
TEST_P(Attention, EqualsThePlainOneDocumentByDocument) {
  const auto& [spec, dtype, tolerance] = GetParam();
  const std::vector<std::int32_t> offsets{0, 5, 305, 306, 440};
  const Tensors leaves{random_leaf({440, 4, 16}, dtype, 1), random_leaf({440, 2, 16}, dtype, 2),
                       random_leaf({440, 2, 16}, dtype, 3)};
  expect_same(
      leaves, tolerance,
      [&](const Tensors& x) { return attention_packed(x[0], x[1], x[2], offsets, spec); },
      [&](const Tensors& x) {
        Tensors parts;
        for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
          const auto rows = [&](const at::Tensor& t) {
            return t.slice(0, offsets[s], offsets[s + 1]);
          };
          parts.push_back(attention_reference(rows(x[0]), rows(x[1]), rows(x[2]), 0, spec));
        }
        return at::cat(parts, 0);
      });
}

INSTANTIATE_TEST_SUITE_P(Ops, Attention,
                         testing::Values(AttentionCase{{0.25, 0, 0}, at::kFloat, kFp32},
                                         AttentionCase{{0.25, 0, 0}, at::kDouble, kFp64},
                                         AttentionCase{{0.25, 0, 0}, at::kBFloat16, kBf16},
                                         AttentionCase{{0.25, 0, 7}, at::kFloat, kFp32},
                                         AttentionCase{{0.25, 0, 7}, at::kBFloat16, kBf16},
                                         AttentionCase{{0.25, 0, 135}, at::kBFloat16, kBf16},
                                         AttentionCase{{0.25, 0, 100}, at::kDouble, kFp64},
                                         AttentionCase{{0.5, 2, 0}, at::kDouble, kFp64},
                                         AttentionCase{{0.5, 2, 33}, at::kFloat, kFp32},
                                         AttentionCase{{0.25, 0, 0, false}, at::kFloat, kFp32},
                                         AttentionCase{{0.25, 0, 0, false}, at::kBFloat16, kBf16},
                                         AttentionCase{{0.5, 2, 0, false}, at::kDouble, kFp64},
                                         AttentionCase{{0.25, 0, 33, false}, at::kDouble, kFp64}));

// The plain one shares the mask, so it is held against a formula as well.
TEST(AttentionReference, SeesBothWaysWithinTheWindow) {
  const at::Tensor q = at::zeros({9, 1, 4}), k = at::zeros({9, 1, 4});
  const at::Tensor v = at::arange(9, at::kFloat).view({9, 1, 1}).expand({9, 1, 4});
  for (const std::int64_t window : {0, 3}) {
    const at::Tensor out = attention_reference(q, k, v, 0, {1.0, 0, window, false});
    for (std::int64_t i = 0; i < 9; ++i) {
      const std::int64_t reach = window > 0 ? window - 1 : 9;
      const std::int64_t first = std::max<std::int64_t>(0, i - reach),
                         last = std::min<std::int64_t>(8, i + reach);
      const double mean = static_cast<double>(first + last) / 2;
      EXPECT_NEAR(out[i][0][0].item<double>(), mean, 1e-5) << "query " << i;
    }
  }
}

TEST(AttentionCached, ContinuesWhereThePastEnds) {
  const AttentionSpec spec{0.25, 0, 50};
  const at::Tensor q = random_leaf({300, 4, 16}, at::kFloat, 1).detach();
  const at::Tensor k = random_leaf({300, 2, 16}, at::kFloat, 2).detach();
  const at::Tensor v = random_leaf({300, 2, 16}, at::kFloat, 3).detach();
  const at::Tensor whole = attention_reference(q, k, v, 0, spec);
  const at::Tensor rest = attention_cached(q.slice(0, 120), k, v, 120, spec);
  EXPECT_LT(relative(rest, whole.slice(0, 120)), kFp32);
}

TEST(Rowwise, RmsNormEqualsThePlainOne) {
  for (const bool plus_one : {false, true}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Tensors leaves{random_leaf({600, 40}, dtype, 1), random_leaf({40}, at::kFloat, 2)};
      expect_same(
          leaves, dtype == at::kFloat ? kFp32 : kBf16,
          [&](const Tensors& x) { return rms_norm(x[0], x[1], {1e-5, plus_one}); },
          [&](const Tensors& x) { return reference::rms_norm(x[0], x[1], 1e-5, plus_one); });
    }
  }
}

TEST(LayerNorm, WithoutABiasScalesAlone) {
  expect_same(
      {random_leaf({30, 16}, at::kFloat, 1), random_leaf({16}, at::kFloat, 2)}, kFp32,
      [](const Tensors& x) {
        return Norm("norm", x[1], at::Tensor(), LayerNormSpec{1e-5, false}).forward(x[0]);
      },
      [](const Tensors& x) {
        const at::Tensor centred = x[0] - x[0].mean(-1, /*keepdim=*/true);
        const at::Tensor variance = centred.square().mean(-1, /*keepdim=*/true);
        return centred * at::rsqrt(variance + 1e-5) * x[1];
      });
}

TEST(Rowwise, GluEqualsThePlainOne) {
  for (const Activation activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGelu}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const Tensors leaves{random_leaf({70, 33}, dtype, 1), random_leaf({70, 33}, dtype, 2)};
      expect_same(
          leaves, dtype == at::kFloat ? kFp32 : kBf16,
          [&](const Tensors& x) { return glu(x[0], x[1], activation); },
          [&](const Tensors& x) { return reference::glu(x[0], x[1], activation); });
    }
  }
}

TEST(Rowwise, QuickGeluIsASigmoidOfItsInput) {
  const auto formula = [](const at::Tensor& x) { return x * at::sigmoid(x * 1.702); };
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    expect_same(
        {random_leaf({70, 33}, dtype, 1)}, dtype == at::kFloat ? kFp32 : kBf16,
        [&](const Tensors& x) { return activate(x[0], Activation::kQuickGelu); },
        [&](const Tensors& x) { return formula(x[0]); });
    expect_same(
        {random_leaf({70, 33}, dtype, 1), random_leaf({70, 33}, dtype, 2)},
        dtype == at::kFloat ? kFp32 : kBf16,
        [&](const Tensors& x) { return glu(x[0], x[1], Activation::kQuickGelu); },
        [&](const Tensors& x) { return formula(x[0]) * x[1]; });
  }
}

// Between a value and its activation nothing is rounded to 16 bits: half a unit in the last of
// bf16's 8 bits is all that is lost, and some units of fp32 where terms cancel.
TEST(Rowwise, ActivationsOfBf16RoundOnce) {
  const Tensors leaves{random_leaf({70, 33}, at::kBFloat16, 1),
                       random_leaf({70, 33}, at::kBFloat16, 2)};
  const Tensors wide = widened(leaves);
  const auto expect_rounded_once = [](const at::Tensor& got, const at::Tensor& wanted) {
    const at::Tensor exact = wanted.detach();
    const at::Tensor lost = (got.detach().to(at::kDouble) - exact).abs();
    EXPECT_LE((lost - exact.abs() / 256).max().item<double>(), 1e-5);
  };
  for (const Activation activation :
       {Activation::kSilu, Activation::kGeluTanh, Activation::kGelu, Activation::kQuickGelu}) {
    SCOPED_TRACE(static_cast<int>(activation));
    const at::Tensor gated = glu(leaves[0], leaves[1], activation);
    expect_rounded_once(gated, reference::glu(wide[0], wide[1], activation));
    const at::Tensor alone = activate(leaves[0], activation);
    const at::Tensor wanted = reference::activate(wide[0], activation);
    expect_rounded_once(alone, wanted);
    alone.sum().backward();
    wanted.sum().backward();
    expect_rounded_once(leaves[0].grad(), wide[0].grad());
    leaves[0].mutable_grad() = wide[0].mutable_grad() = at::Tensor();
  }
}

TEST(Rowwise, RopeEqualsThePlainOne) {
  const at::Tensor angle = random_leaf({50, 8}, at::kFloat, 4).detach();
  const at::Tensor cos = angle.cos(), sin = angle.sin();
  expect_same(
      {random_leaf({50, 3, 16}, at::kFloat, 1)}, kFp32,
      [&](const Tensors& x) { return rope(x[0], cos, sin); },
      [&](const Tensors& x) {
        return reference::rope(x[0], cos.to(at::kDouble), sin.to(at::kDouble));
      });
}

// More rows than one tile of logits holds. The gradient of a row sums half a million terms in
// fp32, which costs about the root of their number in roundings.
TEST(CrossEntropy, TiledEqualsLogSoftmax) {
  for (const double softcap : {0.0, 3.0}) {
    const at::Tensor targets = at::arange(40, at::TensorOptions().dtype(at::kLong)) * 7;
    const Tensors leaves{random_leaf({40, 12}, at::kFloat, 1),
                         random_leaf({420'000, 12}, at::kFloat, 2)};
    expect_same(
        leaves, 1e-4,
        [&](const Tensors& x) { return cross_entropy_tiled(x[0], x[1], targets, {softcap}); },
        [&](const Tensors& x) {
          const at::Tensor logits = cap_logits(at::linear(x[0], x[1]), {softcap});
          return at::log_softmax(logits, -1).gather(1, targets.unsqueeze(1)).sum().neg();
        });
  }
}

TEST(LowRank, EqualsTheDenseProductAlsoWithMaskAndBias) {
  const at::Tensor weight = random_leaf({9, 14}, at::kDouble, 5).detach();
  for (const bool masked : {false, true}) {
    const at::Tensor mask = masked ? random_leaf({20, 14}, at::kDouble, 6).detach() : at::Tensor();
    const Tensors leaves{random_leaf({20, 14}, at::kDouble, 1),
                         random_leaf({3, 14}, at::kDouble, 2), random_leaf({9, 3}, at::kDouble, 3),
                         random_leaf({9}, at::kDouble, 4)};
    expect_same(
        leaves, kFp64,
        [&](const Tensors& x) {
          const LowRankFactors factors{x[1].detach(), x[2].detach(), 0.5, false};
          return low_rank_linear(x[0], BaseWeight(weight), factors, {x[1], x[2], x[3]}, mask);
        },
        [&](const Tensors& x) {
          const at::Tensor input = masked ? x[0] * mask : x[0];
          return at::linear(x[0], weight) +
                 0.5 * (at::linear(at::linear(input, x[1]), x[2]) + x[3]);
        });
  }
}

// <written, wanted> / |wanted|², the share of a branch that is in a sum with a product.
double share_of(const at::Tensor& branch, const at::Tensor& sum, const at::Tensor& product) {
  const at::Tensor written = sum.to(at::kDouble) - product;
  return ((written * branch).sum() / branch.square().sum()).item<double>();
}

// One row takes other kernels than many.
TEST(ThinProduct, FarBelowHalfAStepMovesTheMeanInBf16) {
  const at::Tensor weight = random_leaf({256, 64}, at::kBFloat16, 1).detach();
  const BaseWeight base(weight);
  for (const std::int64_t rows : {1, 512}) {
    double forward = 0, backward = 0;
    const std::int64_t repeats = 512 / rows;
    for (std::int64_t i = 0; i < repeats; ++i) {
      const at::Tensor x = random_leaf({rows, 64}, at::kBFloat16, 10 + i).detach();
      const at::Tensor g = random_leaf({rows, 256}, at::kBFloat16, 900 + i).detach();
      const at::Tensor h = random_leaf({rows, 4}, at::kBFloat16, 2000 + i).detach();
      const at::Tensor out = random_leaf({4, 256}, at::kBFloat16, 3).detach();
      const at::Tensor in = random_leaf({4, 64}, at::kBFloat16, 4).detach();
      // Products of size 8 and 16 lie on steps of 1/32 to 1/8, the branches are of size 5e-3.
      constexpr double kScale = 2.5e-3;
      const auto wide = [](const at::Tensor& each) { return each.to(at::kDouble); };
      const at::Tensor y = base.matmul(x, {.left = h, .right = out, .scale = kScale});
      forward += share_of(wide(h).mm(wide(out)) * kScale, y, wide(x).mm(wide(weight).t()));
      const at::Tensor z = base.matmul_transposed(g, {.left = h, .right = in, .scale = kScale});
      backward += share_of(wide(h).mm(wide(in)) * kScale, z, wide(g).mm(wide(weight)));
    }
    // The steps' noise over the branch, by the root of 131,072 and 32,768 values: .01 and .04.
    EXPECT_NEAR(forward / static_cast<double>(repeats), 1, 0.05) << rows << " rows";
    EXPECT_NEAR(backward / static_cast<double>(repeats), 1, 0.2) << rows << " rows";
  }
}

}  // namespace ops_test
}  // namespace svtune
