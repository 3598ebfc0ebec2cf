// Rows that train apart, beside the matrix with these rows put into it.
#include "nn/token_rows.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"
#include "nn/ops/cross_entropy.h"

namespace svtune {
namespace token_rows_test {

constexpr std::int64_t kVocab = 23, kHidden = 8;
const std::vector<std::int64_t> kIds = {7, 2, 22};

at::Tensor random(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed),
                   at::TensorOptions().dtype(at::kDouble));
}

struct Rows {
  at::Tensor matrix = random({kVocab, kHidden}, 1);
  TokenRows rows{kIds, matrix};
  // The whole matrix as one leaf, with the rows in it.
  at::Tensor whole;

  Rows() {
    const at::NoGradGuard no_grad;
    rows.values().detach().add_(random({3, kHidden}, 2));
    whole = matrix.index_copy(0, rows.ids(), rows.values().detach());
    whole.requires_grad_(true);
  }
  at::Tensor gradient_of_whole() const { return whole.grad().index_select(0, rows.ids()); }
};

void expect_near(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-12);  // fp64
}

TEST(TokenRows, StartAsTheRowsOfTheMatrix) {
  const at::Tensor matrix = random({kVocab, kHidden}, 1);
  const TokenRows rows(kIds, matrix);
  EXPECT_TRUE(rows.values().equal(matrix.index_select(0, rows.ids())));
  EXPECT_TRUE(rows.values().requires_grad());
  EXPECT_FALSE(TokenRows().any());
}

TEST(TokenRows, EmbedAsTheMatrixThatHoldsThem) {
  Rows own;
  const at::Tensor tokens = at::tensor({2, 5, 7, 2, 0}, at::TensorOptions().dtype(at::kLong));
  const at::Tensor expected = at::embedding(own.whole, tokens);
  const at::Tensor got = own.rows.in_embedded(at::embedding(own.matrix, tokens), tokens);
  expect_near(got, expected);
  const at::Tensor weights = random({5, kHidden}, 3);
  (expected * weights).sum().backward();
  (got * weights).sum().backward();
  expect_near(own.rows.values().grad(), own.gradient_of_whole());
}

TEST(TokenRows, LossAndGradientsAreThoseOfTheMatrixThatHoldsThem) {
  for (const double softcap : {0.0, 5.0}) {
    Rows own;
    const at::Tensor targets =
        at::tensor({7, 3, 22, 2, 0, 7}, at::TensorOptions().dtype(at::kLong));
    at::Tensor hidden = random({6, kHidden}, 4).requires_grad_(true);
    at::Tensor other = hidden.detach().clone().requires_grad_(true);
    const HeadSpec spec{softcap};
    const at::Tensor expected = cross_entropy_tiled(other, own.whole, targets, spec);
    const at::Tensor got = cross_entropy_tiled(hidden, own.matrix, targets, spec, own.rows);
    expect_near(got, expected);
    (3 * expected).backward();
    (3 * got).backward();
    expect_near(hidden.grad(), other.grad());
    expect_near(own.rows.values().grad(), own.gradient_of_whole());
    const at::NoGradGuard no_grad;
    expect_near(target_log_probs(hidden, own.matrix, targets, spec, own.rows),
                target_log_probs(hidden, own.whole, targets, spec));
  }
}

}  // namespace token_rows_test
}  // namespace svtune
