#include "data/masked_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/random.h"
#include "data/batch_stream.h"
#include "data/data_test_util.h"
#include "data/encode.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace masked_store_test {

using test::TempDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int32_t kUnknownWord = 1, kClsWord = 2, kSepWord = 3, kMaskWord = 4, kPlainWord = 5;
constexpr int kPlainWords = 40;

// [PAD], [UNK], [CLS], [SEP] and [MASK] are 0 to 4, the words w0 to w39 follow.
Tokenizer masking_tokenizer() {
  const TempDirectory dir;
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int word = 0; word < kPlainWords; ++word) vocabulary += "w" + std::to_string(word) + "\n";
  write_file_atomic(dir / "vocab.txt", vocabulary);
  write_file_atomic(dir / "tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})");
  return Tokenizer::load(dir.path());
}

std::string random_words(int count, Xoshiro256& random) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "w" + std::to_string(random.bounded(kPlainWords)) + " ";
  return text;
}

std::shared_ptr<const ExampleStore> plain_texts(const std::string& lines,
                                                const Tokenizer& tokenizer,
                                                const DataOptions& options = {},
                                                std::int64_t max_length = 512) {
  const TempDirectory dir;
  write_file_atomic(dir / "texts.jsonl", lines);
  const auto encoder = std::make_shared<ExampleEncoder>(
      tokenizer, PromptTemplate({.style = PromptStyle::kRaw}, tokenizer),
      EncodeOptions{.max_length = max_length, .framed = true});
  return std::make_shared<ExampleStore>(dir / "texts.jsonl", options, encoder);
}

std::string line_of(const std::string& text) { return "{\"text\": \"" + text + "\"}\n"; }

std::string random_lines(int documents, int words) {
  Xoshiro256 random(7);
  std::string lines;
  for (int i = 0; i < documents; ++i) lines += line_of(random_words(words, random));
  return lines;
}

// The shares of Devlin et al.; bounds are four standard deviations of 20,000 draws.
TEST(MaskedStore, HidesTheSharesOfBertAndLearnsThemAlone) {
  const Tokenizer tokenizer = masking_tokenizer();
  const auto texts = plain_texts(random_lines(200, 100), tokenizer);
  const MaskedStore store(texts, TokenMasks(tokenizer, {}, 3));
  std::int64_t words = 0, chosen = 0, masked = 0, kept = 0;
  for (std::int64_t i = 0; i < store.size(); ++i) {
    const std::vector<std::int32_t> ids = texts->get(i)->ids;
    PackedBatch batch;
    store.append_to(batch, i);
    ASSERT_TRUE(batch.masked);
    ASSERT_EQ(batch.tokens.size(), ids.size());
    EXPECT_EQ(batch.tokens.front(), kClsWord);
    EXPECT_EQ(batch.tokens.back(), kSepWord);
    EXPECT_EQ(batch.positions.back() + 1, store.length(i));
    words += store.length(i) - 2;
    chosen += static_cast<std::int64_t>(batch.supervised.size());
    std::vector<std::int64_t> restored = batch.tokens;
    for (std::size_t m = 0; m < batch.supervised.size(); ++m) {
      const auto place = static_cast<std::size_t>(batch.supervised[m]);
      masked += batch.tokens[place] == kMaskWord ? 1 : 0;
      kept += batch.tokens[place] == ids[place] ? 1 : 0;
      restored[place] = batch.targets[m];
    }
    EXPECT_EQ(restored, std::vector<std::int64_t>(ids.begin(), ids.end()));
  }
  ASSERT_EQ(words, 20000);
  const auto count = static_cast<double>(chosen);
  EXPECT_NEAR(count / 20000, 0.15, 4 * std::sqrt(0.15 * 0.85 / 20000));
  // A random token is the mask, or the one that stood there, once in 45.
  const double mask_share = 0.8 + 0.1 / 45, kept_share = 0.1 + 0.1 / 45;
  EXPECT_NEAR(static_cast<double>(masked) / count, mask_share,
              4 * std::sqrt(mask_share * (1 - mask_share) / count));
  EXPECT_NEAR(static_cast<double>(kept) / count, kept_share,
              4 * std::sqrt(kept_share * (1 - kept_share) / count));
}

TEST(MaskedStore, EveryTextHasAHiddenTokenAndSpecialOnesStay) {
  const Tokenizer tokenizer = masking_tokenizer();
  const auto texts = plain_texts(random_lines(50, 1), tokenizer);
  const MaskedStore store(texts, TokenMasks(tokenizer, {}, 3));
  PackedBatch batch;
  for (std::int64_t i = 0; i < store.size(); ++i) store.append_to(batch, i);
  EXPECT_EQ(batch.supervised.size(), 50U);
  PackedBatch all;
  MaskedStore(plain_texts(line_of("w1 strange w2"), tokenizer),
              TokenMasks(tokenizer, {.probability = 1}, 3))
      .append_to(all, 0);
  EXPECT_THAT(all.supervised, ElementsAre(1, 3));
  EXPECT_THAT(all.targets, ElementsAre(kPlainWord + 1, kPlainWord + 2));
  EXPECT_EQ(all.tokens[2], kUnknownWord);
}

TEST(MaskedStore, MasksFollowFromSeedPassAndDocument) {
  const Tokenizer tokenizer = masking_tokenizer();
  const std::string text = line_of("w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17");
  const auto texts = plain_texts(text + text, tokenizer);
  const MaskOptions half{.probability = 0.5};
  const auto tokens = [&](std::uint64_t seed, std::int64_t document, std::int64_t pass) {
    PackedBatch batch;
    MaskedStore(texts, TokenMasks(tokenizer, half, seed)).append_in_pass(batch, document, pass);
    return batch.tokens;
  };
  const std::vector<std::int64_t> first = tokens(1, 0, 0);
  EXPECT_EQ(first, tokens(1, 0, 0));
  EXPECT_NE(first, tokens(2, 0, 0));
  EXPECT_NE(first, tokens(1, 1, 0));
  EXPECT_NE(first, tokens(1, 0, 1));
  // Nor from what stands before it in the batch.
  PackedBatch both;
  const MaskedStore store(texts, TokenMasks(tokenizer, half, 1));
  store.append_to(both, 1);
  store.append_to(both, 0);
  EXPECT_EQ(first,
            std::vector<std::int64_t>(both.tokens.begin() + both.offsets[1], both.tokens.end()));
  EXPECT_NE(mask_seed(1, MaskedPart::kTrain), mask_seed(1, MaskedPart::kHeldOut));
}

TEST(MaskedStore, AStreamHidesOthersInEachPassAndGoesOnAnywhere) {
  const Tokenizer tokenizer = masking_tokenizer();
  const auto store = std::make_shared<MaskedStore>(plain_texts(random_lines(6, 30), tokenizer),
                                                   TokenMasks(tokenizer, {}, 3));
  const BatchStreamOptions options{.sequences = 2, .shuffle = false, .epochs = 3};
  BatchStream stream(store, options);
  std::vector<PackedBatch> batches;
  std::vector<DataPosition> positions;
  for (;;) {
    positions.push_back(stream.position());
    auto batch = stream.next();
    if (!batch) break;
    batches.push_back(std::move(*batch));
  }
  ASSERT_EQ(batches.size(), 9U);
  EXPECT_NE(batches[0].tokens, batches[3].tokens);
  EXPECT_NE(batches[3].tokens, batches[6].tokens);
  BatchStream again(store, options);
  again.seek(positions[4]);
  for (std::size_t i = 4; i < batches.size(); ++i) {
    const auto batch = again.next();
    ASSERT_TRUE(batch.has_value());
    EXPECT_EQ(batch->tokens, batches[i].tokens);
    EXPECT_EQ(batch->supervised, batches[i].supervised);
    EXPECT_EQ(batch->targets, batches[i].targets);
  }
}

TEST(MaskedStore, LongTextsAreCutOrSplitInsideTheirForm) {
  const Tokenizer tokenizer = masking_tokenizer();
  const std::string lines = line_of("w1 w2 w3 w4 w5 w6 w7 w8 w9 w10");
  const auto cut = plain_texts(lines, tokenizer, {}, 6);
  EXPECT_EQ(cut->size(), 1);
  EXPECT_EQ(cut->stats().truncated, 1);
  EXPECT_THAT(cut->get(0)->ids, ElementsAre(kClsWord, 6, 7, 8, 9, kSepWord));
  const auto split = plain_texts(lines, tokenizer, {.long_texts = LongTexts::kSplit}, 6);
  EXPECT_EQ(split->size(), 3);
  EXPECT_THAT(split->get(1)->ids, ElementsAre(kClsWord, 10, 11, 12, 13, kSepWord));
  EXPECT_THAT(split->get(2)->ids, ElementsAre(kClsWord, 14, 15, kSepWord));
  EXPECT_EQ(split->get(2)->supervised, (std::vector<bool>{false, true, true, false}));
}

TEST(MaskedStore, RefusesWhatHasNoWordsToHide) {
  const Tokenizer tokenizer = masking_tokenizer();
  EXPECT_EQ(tokenizer.mask_id(), kMaskWord);
  EXPECT_THAT(test::error_of([] { TokenMasks(test::byte_tokenizer(), {}, 1); }),
              HasSubstr("no mask token"));
  const std::string pair = "{\"prompt\": \"w1\", \"completion\": \"w2\"}\n";
  EXPECT_THAT(test::error_of([&] { plain_texts(pair, tokenizer); }), HasSubstr("plain texts"));
  EXPECT_THAT(test::error_of([&] { plain_texts(line_of("w1"), tokenizer, {}, 2); }),
              HasSubstr("--max-length 2 leaves no room"));
}

}  // namespace masked_store_test
}  // namespace svtune
