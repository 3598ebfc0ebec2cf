// Generation against the same network without a cache, alone and in company.
#include "infer/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/errors.h"
#include "infer/score.h"
#include "infer/tiny_decoder_test_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace generate_test {

using Ids = std::vector<std::int32_t>;

Batch document(const Ids& ids, std::int64_t first = 0) {
  Batch batch;
  const auto longs = at::TensorOptions().dtype(at::kLong);
  const auto count = static_cast<std::int64_t>(ids.size());
  batch.tokens = at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()), longs);
  batch.positions = at::arange(first, first + count, longs);
  batch.offsets = {0, static_cast<std::int32_t>(count)};
  return batch;
}

Ids some_ids(std::size_t count, std::uint64_t seed) {
  Xoshiro256 random(seed);
  Ids ids(count);
  for (auto& id : ids) id = static_cast<std::int32_t>(random.bounded(256));
  return ids;
}

struct Variant {
  const char* name;
  ArchSpec spec;
  friend std::ostream& operator<<(std::ostream& out, const Variant& each) {
    return out << each.name;
  }
};

std::vector<Variant> variants() {
  const auto with = [](DecoderOptions options) {
    ArchSpec spec = test::tiny_decoder_spec();
    spec.build = decoder(std::move(options));
    return spec;
  };
  DecoderOptions window, capped, normed;
  window.layers.windows = {0, 9};
  capped.scales.attention_cap = 5;
  capped.scales.logit_cap = 8;
  capped.norms.place = NormPlace::kAround;
  capped.norms.rms.plus_one = true;
  normed.norms.heads = HeadNorm::kEachHead;
  return {{"plain", with({})},
          {"window", with(window)},
          {"capped", with(capped)},
          {"normed", with(normed)}};
}

class Cached : public testing::TestWithParam<Variant> {};

// The prompt in one piece, then 140 tokens one by one: past the cache's first 128 places.
TEST_P(Cached, LogitsEqualThoseOfTheWholeText) {
  const at::NoGradGuard no_grad;
  const auto net = test::tiny_decoder(GetParam().spec);
  const Ids ids = some_ids(160, 3);
  const at::Tensor whole = net->logits(net->forward(document(ids)));
  KvCache cache(GetParam().spec.num_layers, 1);
  std::vector<at::Tensor> parts{
      net->logits(net->forward(document({ids.begin(), ids.begin() + 20}), &cache))};
  for (std::size_t i = 20; i < ids.size(); ++i) {
    parts.push_back(
        net->logits(net->forward(document({ids[i]}, static_cast<std::int64_t>(i)), &cache)));
  }
  // fp32 sums in another order, over logits of about 1; seen: 3e-6.
  EXPECT_LT((at::cat(parts, 0) - whole).abs().max().item<double>(), 3e-5);
}

TEST_P(Cached, GreedyTokensAreThoseOfTheWholeText) {
  const auto net = test::tiny_decoder(GetParam().spec);
  const Ids prompt = some_ids(12, 4);
  GenerateOptions options;
  options.max_new_tokens = 30;
  Ids text = prompt;
  for (int i = 0; i < 30; ++i) {
    const at::NoGradGuard no_grad;
    const at::Tensor logits = net->logits(net->forward(document(text)));
    text.push_back(static_cast<std::int32_t>(logits[-1].argmax().item<std::int64_t>()));
  }
  EXPECT_EQ(generate(*net, {prompt}, options)[0].ids, Ids(text.begin() + 12, text.end()));
}

TEST_P(Cached, BatchGivesEachPromptItsOwnTokens) {
  const auto net = test::tiny_decoder(GetParam().spec);
  const std::vector<Ids> prompts{some_ids(3, 1), some_ids(40, 2), some_ids(1, 3), some_ids(17, 4)};
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options;
    options.sampling.temperature = temperature;
    options.max_new_tokens = 24;
    options.end_tokens = {7, 99};  // sequences leave the batch at different times
    const auto together = generate(*net, prompts, options);
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      options.first_index = i;
      const auto alone = generate(*net, {prompts[i]}, options);
      EXPECT_EQ(together[i].ids, alone[0].ids) << "prompt " << i;
      EXPECT_EQ(together[i].reason, alone[0].reason);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Generate, Cached, testing::ValuesIn(variants()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Generate, EqualPromptsDrawApartHoweverTheyAreBatched) {
  const auto net = test::tiny_decoder();
  const Ids prompt = some_ids(5, 8);
  GenerateOptions options;
  options.sampling.temperature = 1;
  options.max_new_tokens = 12;
  const auto whole = generate(*net, std::vector<Ids>(6, prompt), options);
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = a + 1; b < 6; ++b) EXPECT_NE(whole[a].ids, whole[b].ids);
  }
  for (std::size_t begin = 0; begin < 6; begin += 2) {
    options.first_index = begin;
    const auto pair = generate(*net, {prompt, prompt}, options);
    EXPECT_EQ(pair[0].ids, whole[begin].ids);
    EXPECT_EQ(pair[1].ids, whole[begin + 1].ids);
  }
}

TEST(Generate, EndsAtEndTokensLimitsAndTheCallbacksWish) {
  const auto net = test::tiny_decoder();
  const Ids prompt = some_ids(5, 8);
  GenerateOptions options;
  options.max_new_tokens = 6;
  const Ids free = generate(*net, {prompt}, options)[0].ids;
  ASSERT_EQ(free.size(), 6u);
  const auto stopped = generate(*net, {prompt}, options,
                                [&](std::size_t, std::int32_t id) { return id != free[0]; })[0];
  EXPECT_EQ(stopped.ids, Ids{free[0]});
  EXPECT_EQ(stopped.reason, StopReason::kStopped);
  options.end_tokens = {free[0]};
  const auto ended = generate(*net, {prompt}, options)[0];
  EXPECT_TRUE(ended.ids.empty());
  EXPECT_EQ(ended.reason, StopReason::kEndToken);
}

TEST(Generate, NamesThePromptWhoseLogitsAreNotFinite) {
  const auto net = test::tiny_decoder();
  net->embedding().weight()[65].fill_(std::numeric_limits<float>::quiet_NaN());
  GenerateOptions options;
  options.max_new_tokens = 2;
  options.first_index = 10;
  try {
    generate(*net, {{1, 2}, {64, 65}}, options);
    FAIL() << "NaN was sampled";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("prompt 12"));
  }
}

TEST(Generate, RefusesEmptyPromptsAndIdsOutsideTheVocabulary) {
  const auto net = test::tiny_decoder();
  EXPECT_THROW(generate(*net, {Ids{}}, {}), ModelError);
  EXPECT_THROW(generate(*net, {{264}}, {}), ModelError);
  EXPECT_THROW(generate(*net, {{-1}}, {}), ModelError);
}

TEST(Score, RefusesLogProbabilitiesThatAreNotFinite) {
  const auto net = test::tiny_decoder();
  net->embedding().weight()[65].fill_(std::numeric_limits<float>::quiet_NaN());
  try {
    score_sequences(*net, {{1, 2, 3}, {64, 65, 66}});
    FAIL() << "NaN was returned";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("sequence 1"));
  }
  try {
    score_sequences(*net, {{1, 2, 3}, {64, 65, 66}}, kScoreBatchTokens, {},
                    [](std::size_t i) { return "line " + std::to_string(7 + i); });
    FAIL() << "NaN was returned";
  } catch (const RunError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("line 8: the log-probability of token"));
  }
}

}  // namespace generate_test
}  // namespace svtune
