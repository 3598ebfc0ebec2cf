// What only OFT promises: PEFT's two rotations, inverse to each other, blocks, sharing and the
// constrained form. The contract suite has the rest.
#include "adapters/oft/oft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/oft/oft_adapter.h"
#include "adapters/orthogonal/cayley.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace oft_test {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string kLayer = "model.layers.1.up_proj";

at::Tensor seeded(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::kDouble);
}

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

at::Tensor eye(std::int64_t b) { return at::eye(b, at::kDouble); }

TEST(Cayley, UpperTrianglesStandRowByRow) {
  const at::Tensor upper = at::arange(1, 7, at::kDouble).view({1, 6});
  const at::Tensor Q = skew_from_upper(upper, 4)[0];
  EXPECT_EQ(Q[0][1].item<double>(), 1);
  EXPECT_EQ(Q[0][3].item<double>(), 3);
  EXPECT_EQ(Q[1][2].item<double>(), 4);
  EXPECT_EQ(Q[2][3].item<double>(), 6);
  EXPECT_EQ(largest(Q + Q.t()), 0);
}

TEST(Cayley, RotationIsThatOfASolveAndOrthogonal) {
  for (const std::int64_t b : {2, 7, 32}) {
    const at::Tensor Q = skew_from_upper(seeded({3, b * (b - 1) / 2}, 5) * 2, b);
    const at::Tensor change = cayley_change(Q);
    for (std::int64_t k = 0; k < 3; ++k) {
      const at::Tensor R = change[k] + eye(b);
      // The equation R (1 + Q) = 1 - Q, and Rᵀ R = 1; fp64.
      EXPECT_LT(largest(at::mm(R, eye(b) + Q[k]) - (eye(b) - Q[k])), 1e-12) << b;
      EXPECT_LT(largest(at::mm(R.t(), R) - eye(b)), 1e-12) << b;
    }
  }
}

TEST(Cayley, SmallRotationsKeepTheirDigits) {
  const at::Tensor Q = skew_from_upper(seeded({1, 6}, 5) * 1e-9, 4).to(at::kFloat);
  EXPECT_LT(largest((cayley_change(Q) + 2 * Q) / 1e-9), 1e-5);  // -2Q up to Q², in fp32
}

TEST(Cayley, SeriesIsPeftsPolynomialAndTheInverseRotation) {
  const at::Tensor Q = skew_from_upper(seeded({1, 28}, 6) * 0.01, 8), q = Q[0];
  const at::Tensor q2 = q.mm(q), q3 = q2.mm(q), q4 = q3.mm(q);
  EXPECT_LT(largest(neumann_change(Q, 5)[0] - (2 * q + 2 * q2 + 2 * q3 + q4)), 1e-15);
  for (const std::int64_t terms : {3, 4}) {
    EXPECT_LT(largest(neumann_change(Q, terms)[0] - (2 * q + 2 * q2 + q3)), 1e-15) << terms;
  }
  EXPECT_LT(largest(neumann_change(Q, 2)[0] - 2 * q), 1e-15);
  // The terms that are left out are of order Q⁴ and Q⁵: with entries of .01 below 1e-5.
  EXPECT_LT(largest(neumann_change(Q, 5)[0] - cayley_change(Q)[0].t()), 1e-5);
}

std::unique_ptr<OftAdapter> adapter(const OftConfig& config, const BaseWeight& base) {
  AdapterInit init = make_adapter(config, {kLayer, base, 5});
  return std::unique_ptr<OftAdapter>(dynamic_cast<OftAdapter*>(init.adapter.release()));
}

at::Tensor leaf_of(OftAdapter& adapter) { return adapter.trainables()[0].tensor.detach(); }

TEST(Oft, TurnsTheInputBlockByBlock) {
  const BaseWeight base(seeded({12, 20}, 1));
  for (const bool share : {false, true}) {
    for (const OftRotation rotation : {OftRotation::kSeries, OftRotation::kCayley}) {
      const auto oft = adapter({.block_size = 5, .rotation = rotation, .block_share = share}, base);
      leaf_of(*oft).copy_(seeded(leaf_of(*oft).sizes().vec(), 2) * 0.1);
      const at::Tensor x = seeded({7, 20}, 3), D = oft->change().detach();
      at::Tensor turned = x.clone();
      for (std::int64_t k = 0; k < 4; ++k) {
        turned.narrow(1, 5 * k, 5).copy_(x.narrow(1, 5 * k, 5).mm(D[share ? 0 : k] + eye(5)));
      }
      EXPECT_LT(largest(oft->forward(x, base) - at::linear(turned, base.dense())), 1e-12);
    }
  }
}

TEST(Oft, TrainsTheUpperTrianglesOfItsBlocks) {
  const BaseWeight base(seeded({12, 20}, 1));
  EXPECT_EQ(leaf_of(*adapter({.block_size = 5}, base)).numel(), 20 * 4 / 2);
  EXPECT_EQ(leaf_of(*adapter({.block_size = 5, .block_share = true}, base)).numel(), 5 * 4 / 2);
  EXPECT_EQ(leaf_of(*adapter({.block_count = 2}, base)).numel(), 20 * 9 / 2);
}

TEST(Oft, ConstrainedRotationsStayWithinTheirBound) {
  const BaseWeight base(seeded({12, 20}, 1).to(at::kFloat));
  const auto oft = adapter({.block_size = 5, .largest_rotation = 0.06}, base);
  const at::Tensor values = seeded({4, 10}, 2).to(at::kFloat);
  values[1].mul_(1e-3);  // within its bound: stays
  leaf_of(*oft).copy_(values);
  oft->refresh(base);
  const at::Tensor once = leaf_of(*oft).clone();
  EXPECT_TRUE(at::equal(once[1], values[1]));
  for (const std::int64_t k : {0, 2, 3}) {
    const double norm = skew_from_upper(once, 5)[k].to(at::kDouble).norm().item<double>();
    EXPECT_NEAR(norm, 0.03, 1e-7) << k;  // .06 over the root of four blocks, less the margin
    EXPECT_LE(norm, 0.03);
  }
  oft->refresh(base);
  EXPECT_TRUE(at::equal(leaf_of(*oft), once));
}

TEST(Oft, BlocksThatDoNotDivideTheInputsAreRefused) {
  const BaseWeight base(seeded({12, 20}, 1));
  try {
    adapter({.block_size = 8}, base);
    FAIL() << "accepted";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr(kLayer), HasSubstr("20 inputs"), HasSubstr("blocks of 8")));
    EXPECT_THAT(error.hint(), HasSubstr("10"));
  }
  EXPECT_THROW(adapter({.block_count = 3}, base), ModelError);
  // A file of PEFT's moves to the nearest divisor.
  const AdapterInit init = make_empty_adapter(OftConfig{.block_size = 7}, {kLayer, base, 5});
  EXPECT_EQ(init.report["block_size"], 5);
}

}  // namespace oft_test
}  // namespace svtune
