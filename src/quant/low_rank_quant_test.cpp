// Quantised matrix plus low-rank product: what the errors must do, and the published algorithms
// written out with full decompositions.
#include "quant/low_rank_quant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/errors.h"
#include "formats/gguf.h"
#include "formats/gguf_dequant.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"

namespace svtune {
namespace low_rank_quant_test {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

at::Tensor random_matrix(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn({out, in}, generator);
}

// A random bulk and slowly falling spikes above it, as in the weights of language models.
at::Tensor model_like(std::int64_t out, std::int64_t in, std::uint64_t seed) {
  const std::int64_t count = std::min(out, in) / 3;
  const at::Tensor U = std::get<0>(at::linalg_qr(random_matrix(out, count, seed)));
  const at::Tensor V = std::get<0>(at::linalg_qr(random_matrix(in, count, seed + 1)));
  const at::Tensor spikes = 6 * at::pow(at::arange(1, count + 1, at::kFloat), -0.45);
  return at::mm(U * spikes, V.t()) + random_matrix(out, in, seed + 2) * 0.05;
}

double distance(const at::Tensor& weight, const LowRankQuant& result) {
  at::Tensor rest = weight.to(at::kDouble) - result.quantized.dequantize(at::kDouble);
  if (result.up.defined()) {
    rest -= at::mm(result.up.to(at::kDouble), result.down.to(at::kDouble));
  }
  return rest.norm().item<double>();
}

// The algorithms of the papers: absmax scales, the last iterate, no refit.
LowRankQuantOptions published(QuantStart start, std::int64_t rank, std::int64_t iterations) {
  LowRankQuantOptions options;
  options.start = start;
  options.rank = rank;
  options.iterations = iterations;
  options.keep_best = false;
  options.refit = false;
  return options;
}

LowRankQuantOptions ours(std::int64_t rank, std::int64_t iterations) {
  LowRankQuantOptions options;
  options.rank = rank;
  options.iterations = iterations;
  options.quant.scales = ScaleChoice::kSigned;
  return options;
}

at::Tensor best_product(const at::Tensor& matrix, std::int64_t rank) {
  const auto [U, S, Vh] = at::linalg_svd(matrix.to(at::kDouble), false);
  return at::mm(U.narrow(1, 0, rank) * S.narrow(0, 0, rank), Vh.narrow(0, 0, rank));
}

// Algorithm 1 of either paper with a full decomposition in fp64 per round.
double reference_error(const at::Tensor& weight, QuantStart start, std::int64_t rank,
                       std::int64_t iterations) {
  const SerialMath serial;  // small matrices: threads would only wait for each other
  const at::Tensor exact = weight.to(at::kDouble);
  at::Tensor product = at::zeros_like(exact), rest = exact, dense;
  for (std::int64_t i = 0; i < iterations; ++i) {
    if (start == QuantStart::kQpissa) product = best_product(rest, rank);
    dense = quantize((exact - product).to(at::kFloat), {}).dequantize(at::kDouble);
    rest = exact - dense;
    if (start == QuantStart::kLoftq) product = best_product(rest, rank);
  }
  return (exact - dense - product).norm().item<double>();
}

TEST(LowRankQuant, FollowsThePublishedAlgorithms) {
  for (const auto& [out, in] : {std::pair{192, 128}, {96, 192}}) {
    const at::Tensor weight = model_like(out, in, 3);
    for (const auto start : {QuantStart::kLoftq, QuantStart::kQpissa}) {
      for (const std::int64_t iterations : {1, 3}) {
        for (const bool warm : {false, true}) {
          LowRankQuantOptions options = published(start, 12, iterations);
          options.warm_start = warm;
          const LowRankQuant result = quantize_with_low_rank(weight, options);
          const double expected = reference_error(weight, start, 12, iterations);
          // Codes next to a boundary change with the last bits. Rounds that start warm take
          // another path, to errors a little smaller or larger.
          const double tolerance = warm && iterations > 1 ? 1e-2 : 5e-4;
          EXPECT_NEAR(result.error / expected, 1, tolerance) << warm << iterations;
          EXPECT_EQ(result.errors.size(), iterations);
        }
      }
    }
  }
}

TEST(LowRankQuant, StoredPairHasTheReportedError) {
  const at::Tensor weight = model_like(200, 130, 5);
  for (const auto type : {QuantType::kNf4, QuantType::kFp4, QuantType::kInt8}) {
    for (const auto start : {QuantStart::kNone, QuantStart::kLoftq, QuantStart::kQpissa}) {
      for (const auto dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
        LowRankQuantOptions options = published(start, 8, 2);
        options.quant.type = type;
        options.refit = true;
        const at::Tensor stored = weight.to(dtype);
        const LowRankQuant result = quantize_with_low_rank(stored, options);
        // fp32 differences of values a hundred times larger than int8's errors.
        EXPECT_NEAR(result.error / distance(stored, result), 1, 1e-4);
        EXPECT_EQ(result.up.defined(), start != QuantStart::kNone);
      }
    }
  }
}

TEST(LowRankQuant, MoreRoundsAreNeverWorse) {
  const at::Tensor weight = model_like(300, 192, 7);
  const double plain =
      distance(weight, quantize_with_low_rank(weight, published(QuantStart::kNone, 8, 1)));
  for (const auto start : {QuantStart::kLoftq, QuantStart::kQpissa}) {
    for (const auto choice : {ScaleChoice::kAbsmax, ScaleChoice::kSearch, ScaleChoice::kSigned}) {
      LowRankQuantOptions options;
      options.start = start;
      options.rank = 10;
      options.quant.scales = choice;
      double last = plain;
      for (const std::int64_t iterations : {1, 2, 5}) {
        options.iterations = iterations;
        const double error = quantize_with_low_rank(weight, options).error;
        EXPECT_LT(error, last * (iterations == 1 ? 1 : 1 + 1e-4));
        last = error;
      }
    }
  }
}

TEST(LowRankQuant, KeepsTheBestRoundAndStops) {
  const at::Tensor weight = model_like(24, 64, 9);  // small enough to settle soon
  LowRankQuantOptions options = published(QuantStart::kQpissa, 4, 40);
  options.keep_best = true;
  options.momentum = 0;
  const LowRankQuant best = quantize_with_low_rank(weight, options);
  EXPECT_LT(best.errors.size(), 40);
  EXPECT_EQ(best.error, *std::min_element(best.errors.begin(), best.errors.end()));
  EXPECT_EQ(best.error, best.errors[best.errors.size() - 2]);
  options.momentum = 3;  // much too far: the next rounds do without
  const LowRankQuant settled = quantize_with_low_rank(weight, options);
  EXPECT_EQ(settled.error, *std::min_element(settled.errors.begin(), settled.errors.end()));
  EXPECT_LT(settled.errors.size(), 40);
  options.keep_best = false;
  options.iterations = 3;
  const LowRankQuant last = quantize_with_low_rank(weight, options);
  EXPECT_EQ(last.errors.size(), 3);
  EXPECT_EQ(last.error, last.errors.back());
}

TEST(LowRankQuant, EachOptionPays) {
  const at::Tensor weight = model_like(384, 256, 11);
  const double qpissa = quantize_with_low_rank(weight, published(QuantStart::kQpissa, 16, 5)).error;
  LowRankQuantOptions refit = published(QuantStart::kQpissa, 16, 5);
  refit.refit = true;
  EXPECT_LT(quantize_with_low_rank(weight, refit).error, qpissa);
  LowRankQuantOptions slow = ours(16, 5);
  slow.momentum = 0;
  const double improved = quantize_with_low_rank(weight, slow).error;
  EXPECT_LT(improved, 0.95 * qpissa);
  EXPECT_LT(quantize_with_low_rank(weight, ours(16, 5)).error, 0.99 * improved);
}

TEST(LowRankQuant, SameBitsForAnyThreadCountAndAgain) {
  const at::Tensor weight = model_like(600, 300, 13);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const LowRankQuant one = quantize_with_low_rank(weight, ours(16, 3));
  at::set_num_threads(2);
  std::vector<std::optional<LowRankQuant>> others(3);
  others[0] = quantize_with_low_rank(weight, ours(16, 3));
  for_each_matrix(2, [&](std::int64_t i) {
    others[static_cast<std::size_t>(i + 1)] = quantize_with_low_rank(weight, ours(16, 3));
  });
  at::set_num_threads(threads);
  for (const auto& other : others) {
    EXPECT_TRUE(at::equal(one.up, other->up));
    EXPECT_TRUE(at::equal(one.down, other->down));
    EXPECT_TRUE(at::equal(one.quantized.storage().codes, other->quantized.storage().codes));
    EXPECT_TRUE(at::equal(one.quantized.storage().absmax, other->quantized.storage().absmax));
    EXPECT_EQ(one.error, other->error);
  }
}

TEST(LowRankQuant, ExtremeRanksAndShapes) {
  for (const auto& [out, in] : {std::pair{1, 40}, {40, 1}, {33, 70}, {5, 64}}) {
    const at::Tensor weight = random_matrix(out, in, 15);
    for (const std::int64_t rank : {std::int64_t{1}, std::int64_t{std::min(out, in)}}) {
      const LowRankQuant result = quantize_with_low_rank(weight, ours(rank, 2));
      EXPECT_NEAR(result.error, distance(weight, result), 1e-4 * weight.norm().item<double>());
      EXPECT_EQ(result.up.size(1), rank);
    }
  }
  const LowRankQuant zero = quantize_with_low_rank(at::zeros({20, 30}), ours(4, 3));
  EXPECT_EQ(zero.error, 0);
}

TEST(LowRankQuant, RefusesWhatCannotBe) {
  const at::Tensor weight = random_matrix(20, 30, 1);
  EXPECT_THROW(quantize_with_low_rank(weight, ours(21, 1)), std::invalid_argument);
  EXPECT_THROW(quantize_with_low_rank(weight, ours(0, 1)), std::invalid_argument);
  EXPECT_THROW(quantize_with_low_rank(weight, ours(4, 0)), std::invalid_argument);
  EXPECT_THROW(quantize_with_low_rank(weight.to(at::kLong), ours(4, 1)), std::invalid_argument);
  for (const auto start : {QuantStart::kNone, QuantStart::kLoftq, QuantStart::kQpissa}) {
    at::Tensor broken = weight.clone();
    broken[3][4] = std::nan("");
    EXPECT_THAT([&] { quantize_with_low_rank(broken, published(start, 4, 1)); },
                ThrowsMessage<ModelError>(HasSubstr("not finite")));
  }
}

std::filesystem::path real_model() {
  if (const char* set = std::getenv("SVTUNE_TEST_GGUF")) return set;
  return SVTUNE_SOURCE_DIR "/.cache/demo-model/SmolLM2-135M-Instruct.Q4_1.gguf";
}

TEST(RealWeights, ErrorReductionIsOrderedAsPublished) {
  const std::filesystem::path path = real_model();
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no " << path << " (tools/fetch_demo_model.sh gets it)";
  }
  const GgufFile file(path);
  double plain = 0, loftq = 0, qpissa = 0, best = 0;
  for (const char* name : {"blk.5.attn_q.weight", "blk.12.attn_k.weight", "blk.20.attn_v.weight"}) {
    const GgufTensorInfo* info = file.find_tensor(name);
    ASSERT_NE(info, nullptr) << name;
    at::Tensor weight = at::empty(info->shape, at::kFloat);
    gguf_dequantize(info->type, file.data(*info),
                    {weight.mutable_data_ptr<float>(), static_cast<std::size_t>(weight.numel())});
    const double unit = quantize_with_low_rank(weight, published(QuantStart::kNone, 16, 1)).error;
    plain += 1;
    loftq += quantize_with_low_rank(weight, published(QuantStart::kLoftq, 16, 5)).error / unit;
    qpissa += quantize_with_low_rank(weight, published(QuantStart::kQpissa, 16, 5)).error / unit;
    best += quantize_with_low_rank(weight, ours(16, 5)).error / unit;
  }
  EXPECT_LT(loftq, plain);
  EXPECT_LT(qpissa, loftq);
  EXPECT_LT(best, qpissa - 3 * 0.03);  // three points on each of three layers
}

}  // namespace low_rank_quant_test
}  // namespace svtune
