// The operators of a generation step against the plain attention in fp64.
#include "nn/ops/decode.h"

#include <gtest/gtest.h>

#include "libtorch/prelude.h"
#include "nn/kv_cache.h"

namespace svtune {
namespace decode_test {

at::Tensor random_values(at::IntArrayRef shape, at::ScalarType dtype, std::uint64_t seed) {
  const at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kDouble)).to(dtype);
}

double relative(const at::Tensor& got, const at::Tensor& wanted) {
  const at::Tensor reference = wanted.to(at::kDouble);
  return ((got.to(at::kDouble) - reference).norm() / reference.norm()).item<double>();
}

struct DecodeCase {
  const char* name;
  std::int64_t heads, key_heads, head_dim;
  AttentionSpec spec;
  friend std::ostream& operator<<(std::ostream& out, const DecodeCase& each) {
    return out << each.name;
  }
};

class AttentionDecode : public testing::TestWithParam<DecodeCase> {};

// Sequences of many lengths in one call, around the vector widths and far beyond.
TEST_P(AttentionDecode, EqualsThePlainOneSequenceBySequence) {
  const DecodeCase& each = GetParam();
  const std::vector<std::int64_t> lengths{1, 2, 7, 8, 33, 300};
  const auto sequences = static_cast<std::int64_t>(lengths.size());
  // A few roundings of sums of some hundred terms; bf16 rounds the result to 8 bits.
  const std::pair<at::ScalarType, double> types[] = {
      {at::kFloat, 3e-6}, {at::kBFloat16, 5e-3}, {at::kDouble, 1e-12}};
  for (const auto& [dtype, tolerance] : types) {
    const at::Tensor q = random_values({sequences, each.heads, each.head_dim}, dtype, 1);
    std::vector<KvCache::View> stored;
    std::vector<at::Tensor> wanted;
    for (std::int64_t s = 0; s < sequences; ++s) {
      const std::int64_t length = lengths[static_cast<std::size_t>(s)];
      const std::vector<std::int64_t> shape{length, each.key_heads, each.head_dim};
      const auto seed = static_cast<std::uint64_t>(10 * s);
      stored.push_back(
          {random_values(shape, dtype, seed + 2), random_values(shape, dtype, seed + 3)});
      wanted.push_back(
          attention_reference(q.narrow(0, s, 1).to(at::kDouble), stored.back().keys.to(at::kDouble),
                              stored.back().values.to(at::kDouble), length - 1, each.spec));
    }
    const at::Tensor got = attention_decode(q, stored, each.spec);
    for (std::int64_t s = 0; s < sequences; ++s) {
      EXPECT_LT(relative(got[s], wanted[static_cast<std::size_t>(s)][0]), tolerance)
          << dtype << " length " << lengths[static_cast<std::size_t>(s)];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Decode, AttentionDecode,
                         testing::Values(DecodeCase{"OneHead", 1, 1, 64, {0.125, 0, 0}},
                                         DecodeCase{"Grouped", 9, 3, 64, {0.125, 0, 0}},
                                         DecodeCase{"OddWidth", 4, 2, 24, {0.2, 0, 0}},
                                         DecodeCase{"Narrow", 4, 2, 2, {0.7, 0, 0}},
                                         DecodeCase{"Window", 4, 2, 32, {0.2, 0, 8}},
                                         DecodeCase{"Softcap", 4, 1, 32, {0.5, 3, 0}},
                                         DecodeCase{"SoftcapAndWindow", 4, 4, 32, {0.5, 3, 33}},
                                         DecodeCase{"WidestOfTheKernel", 2, 1, 512, {0.05, 0, 0}},
                                         DecodeCase{"WiderThanTheKernel", 2, 1, 520, {0.05, 0, 0}}),
                         [](const auto& info) { return std::string(info.param.name); });

// Large scores: the weights are taken relative to the largest, so nothing overflows.
TEST(AttentionDecode, StaysFiniteWithLargeScores) {
  const at::Tensor q = random_values({1, 2, 16}, at::kFloat, 1) * 100;
  const KvCache::View view{random_values({50, 2, 16}, at::kFloat, 2) * 100,
                           random_values({50, 2, 16}, at::kFloat, 3)};
  const AttentionSpec spec{1.0, 0, 0};
  const at::Tensor wanted = attention_reference(q.to(at::kDouble), view.keys.to(at::kDouble),
                                                view.values.to(at::kDouble), 49, spec);
  // Scores of some 10^5 have an fp32 error of about 10^-2, and so have the weights' logarithms.
  EXPECT_LT(relative(attention_decode(q, {view}, spec), wanted), 0.05);
}

TEST(KvCache, ViewsHoldWhatWasAppendedWhateverTheGrowth) {
  KvCache cache(2, 2);
  const at::Tensor keys = random_values({300, 2, 4}, at::kFloat, 1);
  const at::Tensor values = random_values({300, 2, 4}, at::kFloat, 2);
  std::int64_t past = 0;
  for (const std::int64_t count : {100, 1, 27, 1, 171}) {
    for (std::int64_t layer = 0; layer < 2; ++layer) {
      const KvCache::View view = cache.append(layer, 1, keys.narrow(0, past, count) + layer,
                                              values.narrow(0, past, count) - layer);
      EXPECT_TRUE(view.keys.equal(keys.narrow(0, 0, past + count) + layer));
      EXPECT_TRUE(view.values.equal(values.narrow(0, 0, past + count) - layer));
    }
    EXPECT_EQ(cache.length(1), past);
    cache.advance(1, count);
    past += count;
  }
  EXPECT_EQ(cache.length(0), 0);
}

TEST(KvCache, KeepsTheNamedSequencesInOrder) {
  KvCache cache(1, 3);
  for (std::int64_t s = 0; s < 3; ++s) {
    const at::Tensor rows = at::full({s + 1, 1, 2}, static_cast<double>(s));
    cache.append(0, s, rows, rows);
    cache.advance(s, s + 1);
  }
  cache.keep({2, 0});
  ASSERT_EQ(cache.sequences(), 2);
  EXPECT_EQ(cache.length(0), 3);
  EXPECT_EQ(cache.length(1), 1);
  const at::Tensor next = at::full({1, 1, 2}, 9.0);
  EXPECT_TRUE(
      cache.append(0, 0, next, next).keys.equal(at::cat({at::full({3, 1, 2}, 2.0), next}, 0)));
}

}  // namespace decode_test
}  // namespace svtune
