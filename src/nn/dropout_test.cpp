// Dropout: shares and scale, masks that follow from the seed, and attention with dropped weights
// beside the plain formula with the same mask.
#include "nn/ops/dropout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "libtorch/prelude.h"
#include "nn/ops/disentangled.h"
#include "nn/ops/packed_attention.h"

namespace svtune {
namespace dropout_test {

at::Tensor dropout_leaf(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble))
      .to(dtype)
      .requires_grad_(true);
}

TEST(Dropout, LeavesItsShareScaledToTheSameMean) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::TensorOptions options = at::TensorOptions().dtype(dtype);
    const at::Tensor x = at::ones({400, 500}, options).requires_grad_(true);
    const at::Tensor y = dropped(x, {0.3, 7});
    EXPECT_EQ(y.scalar_type(), dtype);
    const at::Tensor stays = y.detach() != 0;
    // The share's deviation is sqrt(0.3 * 0.7 / 200000) = 0.001.
    EXPECT_NEAR(stays.to(at::kDouble).mean().item<double>(), 0.7, 0.005);
    const at::Tensor values = y.detach().masked_select(stays).to(at::kDouble);
    EXPECT_EQ(values.min().item<double>(), values.max().item<double>());
    // bf16 keeps 8 bits.
    EXPECT_NEAR(values.max().item<double>(), 1 / 0.7, dtype == at::kBFloat16 ? 0.008 : 1e-6);
    y.sum().backward();
    EXPECT_TRUE(at::equal(x.grad(), y.detach()));
  }
}

TEST(Dropout, FollowsFromItsSeedAlone) {
  const at::Tensor x = dropout_leaf({30, 40}, at::kFloat, 1).detach();
  const Dropout first{0.5, 1}, second{0.5, 2};
  EXPECT_TRUE(at::equal(dropped(x, first), dropped(x, first)));
  EXPECT_FALSE(at::equal(dropped(x, first), dropped(x, second)));
  EXPECT_FALSE(at::equal(dropped(x, first.at(0)), dropped(x, first.at(1))));
  EXPECT_TRUE(at::equal(dropped(x, first), x * dropout_mask(x, first)));
}

TEST(Dropout, OfNothingIsTheInputItself) {
  const at::Tensor x = dropout_leaf({3, 4}, at::kFloat, 1);
  EXPECT_TRUE(dropped(x, {}).is_same(x));
  EXPECT_FALSE(Dropout{}.at(3).active());
}

TEST(DroppedDocuments, StayOrGoAsAWhole) {
  const Dropout dropout{0.4, 9};
  std::vector<std::int32_t> offsets{0};
  for (std::int32_t s = 0; s < 1000; ++s) offsets.push_back(offsets.back() + 1 + s % 3);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor x = dropout_leaf({offsets.back(), 2}, dtype, 3);
    const at::Tensor y = documents_dropped(x, offsets, dropout);
    EXPECT_EQ(y.scalar_type(), dtype);
    y.sum().backward();
    std::int64_t stay = 0;
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], count = offsets[s + 1] - begin;
      const at::Tensor factor = x.grad().narrow(0, begin, count);
      const bool stays = factor[0][0].item<double>() != 0;
      // bf16 keeps 8 bits.
      const double wanted = stays ? 1 / 0.6 : 0;
      EXPECT_NEAR(factor.min().item<double>(), wanted, dtype == at::kBFloat16 ? 0.008 : 1e-6);
      EXPECT_EQ(factor.min().item<double>(), factor.max().item<double>());
      stay += stays ? 1 : 0;
    }
    EXPECT_TRUE(at::equal(y.detach() != 0, x.grad() != 0));
    // The share's deviation is sqrt(0.4 * 0.6 / 1000) = 0.016.
    EXPECT_NEAR(static_cast<double>(stay) / 1000, 0.6, 0.08);
  }
}

TEST(DroppedDocuments, DrawFromTheSeedAndTheirPlaceAlone) {
  const at::Tensor x = at::ones({64, 3}, at::TensorOptions().dtype(at::kFloat));
  std::vector<std::int32_t> single(65), triple{0, 1, 2, 64};
  for (std::int32_t s = 0; s <= 64; ++s) single[static_cast<std::size_t>(s)] = s;
  const at::Tensor y = documents_dropped(x, single, {0.5, 1});
  EXPECT_TRUE(at::equal(y, documents_dropped(x, single, {0.5, 1})));
  EXPECT_FALSE(at::equal(y, documents_dropped(x, single, {0.5, 2})));
  const at::Tensor z = documents_dropped(x, triple, {0.5, 1});
  EXPECT_TRUE(at::equal(y.narrow(0, 0, 3), z.narrow(0, 0, 3)));
  EXPECT_TRUE(documents_dropped(x, single, {}).is_same(x));
}

// softmax(scale q·k), times the masks that the operator draws for its tiles of 128 queries, v.
at::Tensor attention_with_masks(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                const AttentionSpec& spec, const Dropout& document) {
  const std::int64_t length = q.size(0), heads = q.size(1), groups = k.size(1);
  const auto wide = [&](const at::Tensor& x) {
    return x.transpose(0, 1).repeat_interleave(heads / x.size(1), 0);
  };
  at::Tensor scores = at::matmul(wide(q), wide(k).transpose(1, 2)) * spec.scale;
  if (spec.causal) {
    const at::Tensor hidden = at::ones({length, length}, q.options().dtype(at::kBool)).triu(1);
    scores = scores.masked_fill(hidden, -std::numeric_limits<double>::infinity());
  }
  at::Tensor masks = at::zeros_like(scores).detach();
  for (std::int64_t begin = 0; begin < length; begin += 128) {
    const std::int64_t count = std::min<std::int64_t>(128, length - begin);
    const std::int64_t keys = spec.causal ? begin + count : length;
    const at::Tensor tile = at::empty({groups, heads / groups * count, keys}, masks.options());
    masks.narrow(1, begin, count)
        .narrow(2, 0, keys)
        .copy_(dropout_mask(tile, document.at(begin)).view({heads, count, keys}));
  }
  return at::matmul(at::softmax(scores, -1) * masks, wide(v)).transpose(0, 1);
}

TEST(AttentionDropout, EqualsThePlainFormulaWithTheSameMasks) {
  const std::vector<std::int32_t> offsets{0, 5, 145};
  const Dropout dropout{0.4, 11};
  // A few roundings of sums of some hundred terms, on both sides in fp32.
  for (const auto& [dtype, tolerance] :
       {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-5}}) {
    for (const bool causal : {true, false}) {
      const AttentionSpec spec{0.25, 0, 0, causal};
      std::vector<at::Tensor> leaves, copies;
      for (std::uint64_t i = 0; i < 3; ++i) {
        leaves.push_back(dropout_leaf({145, i == 0 ? 4 : 2, 16}, dtype, i + 1));
        copies.push_back(leaves.back().detach().clone().requires_grad_(true));
      }
      const at::Tensor got =
          attention_packed(leaves[0], leaves[1], leaves[2], offsets, spec, dropout);
      std::vector<at::Tensor> documents;
      for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
        const auto rows = [&](std::size_t i) {
          return copies[i].slice(0, offsets[s], offsets[s + 1]);
        };
        documents.push_back(attention_with_masks(rows(0), rows(1), rows(2), spec,
                                                 dropout.at(static_cast<std::int64_t>(s))));
      }
      const at::Tensor wanted = at::cat(documents, 0);
      const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
        return ((a - b).norm() / b.norm()).item<double>();
      };
      EXPECT_LT(distance(got.detach(), wanted.detach()), tolerance);
      const at::Tensor direction = dropout_leaf(got.sizes(), dtype, 9).detach();
      (got * direction).sum().backward();
      (wanted * direction).sum().backward();
      for (std::size_t i = 0; i < leaves.size(); ++i) {
        EXPECT_LT(distance(leaves[i].grad(), copies[i].grad()), tolerance) << "gradient " << i;
      }
    }
  }
}

TEST(AttentionDropout, OfDistancesHasTheGradientsOfItsDifferences) {
  const DisentangledSpec spec{8, 4};
  const std::vector<std::int32_t> offsets{0, 4, 11};
  const Dropout dropout{0.3, 5};
  std::vector<at::Tensor> leaves;
  for (std::uint64_t i = 0; i < 5; ++i) {
    leaves.push_back(dropout_leaf({i < 3 ? 11 : 2 * spec.span(), 2, 4}, at::kDouble, i + 1));
  }
  const at::Tensor direction = dropout_leaf({11, 2, 4}, at::kDouble, 9).detach();
  const auto loss = [&] {
    return (disentangled_attention({leaves[0], leaves[1], leaves[2], leaves[3], leaves[4]}, offsets,
                                   spec, dropout) *
            direction)
        .sum();
  };
  loss().backward();
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const at::Tensor values = leaves[i].detach().view({-1});
    const at::Tensor gradient = leaves[i].grad().reshape({-1});
    for (std::int64_t place = 0; place < values.numel(); place += 7) {
      const at::NoGradGuard no_grad;
      const double middle = values[place].item<double>();
      const auto loss_at = [&](double value) {
        values[place].fill_(value);
        return loss().item<double>();
      };
      const double numeric = (loss_at(middle + kStep) - loss_at(middle - kStep)) / (2 * kStep);
      loss_at(middle);
      // Differences err by the square of the step and by the rounding of the loss over it.
      EXPECT_NEAR(gradient[place].item<double>(), numeric, 1e-7) << i << " [" << place << "]";
    }
  }
}

}  // namespace dropout_test
}  // namespace svtune
