// Llama 3's rotary parameters from the divisors that a GGUF file stores.
#include "formats/gguf_rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace svtune {
namespace gguf_rope_test {

struct Original {
  double factor, low, high, context;
};

// As transformers computes them, written down a second time.
std::vector<float> divisors_of(const Original& rope, int pairs, double theta) {
  std::vector<float> out;
  for (int i = 0; i < pairs; ++i) {
    const double frequency = std::pow(theta, -static_cast<double>(i) / pairs);
    const double length = 2 * std::numbers::pi / frequency;
    const double smooth = (rope.context / length - rope.low) / (rope.high - rope.low);
    const double blended = (1 - smooth) * frequency / rope.factor + smooth * frequency;
    const double scaled = length < rope.context / rope.high  ? frequency
                          : length > rope.context / rope.low ? frequency / rope.factor
                                                             : blended;
    out.push_back(static_cast<float>(frequency / scaled));
  }
  return out;
}

Original original_of(const Json& json) {
  return {json.at("factor"), json.at("low_freq_factor"), json.at("high_freq_factor"),
          json.at("original_max_position_embeddings")};
}

TEST(GgufRope, PublishedModelsGetTheirOwnParameters) {
  for (const double factor : {8.0, 32.0}) {
    for (const int pairs : {32, 64}) {
      const auto json = llama3_scaling(divisors_of({factor, 1, 4, 8192}, pairs, 500000), 500000);
      ASSERT_TRUE(json);
      EXPECT_EQ(dump_json(*json),
                "{\"rope_type\": \"llama3\", \"factor\": " + python_float(factor) +
                    ", \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
                    "\"original_max_position_embeddings\": 8192}");
    }
  }
}

TEST(GgufRope, OtherParametersGiveTheSameDivisors) {
  int found = 0;
  for (const Original& rope :
       {Original{8, 1, 4, 256}, Original{4, 1, 4, 64}, Original{8, 2, 8, 512},
        Original{16, 1, 32, 4096}, Original{1, 1, 4, 8192}, Original{2, 1, 1.5, 1000},
        Original{8, 1, 4, 131072}}) {
    for (const int pairs : {4, 8, 16, 32, 64}) {
      for (const double theta : {10000.0, 500000.0}) {
        const std::vector<float> divisors = divisors_of(rope, pairs, theta);
        const auto json = llama3_scaling(divisors, theta);
        ASSERT_TRUE(json) << rope.context << " " << pairs << " " << theta;
        const std::vector<float> again = divisors_of(original_of(*json), pairs, theta);
        for (int i = 0; i < pairs; ++i) {
          EXPECT_NEAR(again[static_cast<std::size_t>(i)], divisors[static_cast<std::size_t>(i)],
                      2e-3 * divisors[static_cast<std::size_t>(i)]);
        }
        ++found;
      }
    }
  }
  EXPECT_EQ(found, 70);
}

TEST(GgufRope, OtherKindsOfFactorsAreRefused) {
  EXPECT_FALSE(llama3_scaling({}, 10000));
  const std::vector<float> rising{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_FALSE(llama3_scaling(rising, 10000));
  const std::vector<float> falling{8, 8, 8, 4, 1, 1, 1, 1};
  EXPECT_FALSE(llama3_scaling(falling, 10000));
  const std::vector<float> small{0.5F, 0.5F, 0.5F, 0.5F};
  EXPECT_FALSE(llama3_scaling(small, 10000));
  const std::vector<float> odd{1, NAN, 8, 8};
  EXPECT_FALSE(llama3_scaling(odd, 10000));
  const std::vector<float> infinite{1, 1, INFINITY, INFINITY};
  EXPECT_FALSE(llama3_scaling(infinite, 10000));
}

}  // namespace gguf_rope_test
}  // namespace svtune
