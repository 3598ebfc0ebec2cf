// Batches: every example once per epoch, order by seed and epoch only, resumable anywhere.
#include "data/batch_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/errors.h"
#include "data/data_test_util.h"

namespace svtune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<const ExampleEncoder> raw_encoder(std::int64_t max_length = 64) {
  const Tokenizer tokenizer = test::byte_tokenizer();
  return std::make_shared<ExampleEncoder>(tokenizer,
                                          PromptTemplate({.style = PromptStyle::kRaw}, tokenizer),
                                          EncodeOptions{.max_length = max_length});
}

std::shared_ptr<const ExampleStore> store_of(const std::string& content,
                                             std::int64_t max_length = 64,
                                             const DataOptions& options = {}) {
  const test::TempDirectory directory;
  write_file_atomic(directory / "d.jsonl", content);
  return std::make_shared<ExampleStore>(directory / "d.jsonl", options, raw_encoder(max_length));
}

// `count` examples of growing and shrinking length, each with its own number as answer.
std::string numbered(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += R"({"prompt": ")" + std::string(static_cast<std::size_t>(i * 7 % 11), 'p') +
           R"(", "completion": "<)" + std::to_string(i) + R"(>"})" + "\n";
  }
  return out;
}

std::vector<PackedBatch> all_batches(BatchStream stream) {
  std::vector<PackedBatch> out;
  while (auto batch = stream.next()) out.push_back(std::move(*batch));
  return out;
}

// The answers of a batch in order.
std::string answers(const PackedBatch& batch) {
  std::string out;
  for (const std::int64_t id : batch.targets) {
    if (id < 256) out += static_cast<char>(id);
  }
  return out;
}

std::string answers(const std::vector<PackedBatch>& batches) {
  std::string out;
  for (const PackedBatch& batch : batches) out += answers(batch) + "|";
  return out;
}

TEST(PackedBatch, HoldsDocumentsBackToBack) {
  PackedBatch batch;
  append_document(batch, {{10, 11, 12}, {false, true, true}, false});
  append_document(batch, {{20, 21}, {true, true}, false});
  EXPECT_THAT(batch.tokens, ElementsAre(10, 11, 12, 20, 21));
  EXPECT_THAT(batch.positions, ElementsAre(0, 1, 2, 0, 1));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 3, 5));
  // No target reaches from one document into the next.
  EXPECT_THAT(batch.supervised, ElementsAre(0, 1, 3));
  EXPECT_THAT(batch.targets, ElementsAre(11, 12, 21));
}

TEST(BatchStream, UnshuffledKeepsTheFilesOrder) {
  const auto batches =
      all_batches(BatchStream(store_of(numbered(5)), {.sequences = 2, .shuffle = false}));
  EXPECT_EQ(answers(batches), "<0><1>|<2><3>|<4>|");
}

TEST(BatchStream, EveryExampleOncePerEpochInAnOrderOfItsOwn) {
  const auto store = store_of(numbered(50));
  const BatchStreamOptions options{.sequences = 7, .seed = 3, .epochs = 2};
  const auto batches = all_batches(BatchStream(store, options));
  ASSERT_EQ(batches.size(), 16u);
  std::vector<std::string> epochs(2);
  for (std::size_t i = 0; i < batches.size(); ++i) epochs[i / 8] += answers(batches[i]);
  EXPECT_NE(epochs[0], epochs[1]);
  for (const std::string& epoch : epochs) {
    std::set<std::string> seen;
    for (int i = 0; i < 50; ++i) {
      const std::string answer = "<" + std::to_string(i) + ">";
      EXPECT_THAT(epoch, HasSubstr(answer));
      seen.insert(answer);
    }
    EXPECT_EQ(seen.size(), 50u);
  }
  EXPECT_EQ(answers(all_batches(BatchStream(store, options))), answers(batches));
  EXPECT_NE(answers(all_batches(BatchStream(store, {.sequences = 7, .seed = 4, .epochs = 2}))),
            answers(batches));
}

TEST(BatchStream, BatchesByTokensStayWithinTheBudget) {
  const auto store = store_of(numbered(60));
  const auto batches = all_batches(BatchStream(store, {.tokens = 30, .seed = 1}));
  std::string all;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    all += answers(batches[i]);
    EXPECT_LE(batches[i].tokens.size(), 30u);
    if (i + 1 < batches.size()) {
      // Greedy: the next document would not have fitted.
      const auto next = static_cast<std::size_t>(batches[i + 1].offsets[1]);
      EXPECT_GT(batches[i].tokens.size() + next, 30u);
    }
  }
  for (int i = 0; i < 60; ++i) EXPECT_THAT(all, HasSubstr("<" + std::to_string(i) + ">"));
}

TEST(BatchStream, ADocumentAboveTheBudgetStandsAlone) {
  const auto batches =
      all_batches(BatchStream(store_of(numbered(3)), {.tokens = 2, .shuffle = false}));
  EXPECT_EQ(answers(batches), "<0>|<1>|<2>|");
}

TEST(BatchStream, GoesOnExactlyFromEveryPosition) {
  const auto store = store_of(numbered(23));
  for (const bool by_tokens : {false, true}) {
    BatchStreamOptions options{.sequences = 4, .seed = 9, .epochs = 3};
    if (by_tokens) options.tokens = 40;
    BatchStream stream(store, options);
    std::vector<DataPosition> positions{stream.position()};
    std::vector<std::string> expected;
    while (auto batch = stream.next()) {
      expected.push_back(answers(*batch));
      positions.push_back(stream.position());
    }
    for (std::size_t i = 0; i < positions.size(); ++i) {
      BatchStream resumed(store, options);
      resumed.seek(positions[i]);
      for (std::size_t j = i; j < expected.size(); ++j) {
        const auto batch = resumed.next();
        ASSERT_TRUE(batch.has_value());
        EXPECT_EQ(answers(*batch), expected[j]);
      }
      EXPECT_FALSE(resumed.next().has_value());
    }
  }
  BatchStream stream(store, {});
  EXPECT_THROW(stream.seek({0, 24}), RunError);
}

TEST(BatchStream, CountsBatchesPerEpoch) {
  const auto store = store_of(numbered(23));
  for (const std::int64_t sequences : {1, 4, 23, 40}) {
    BatchStream stream(store, {.sequences = sequences});
    EXPECT_EQ(stream.batches_per_epoch(), static_cast<std::int64_t>(all_batches(stream).size()));
  }
}

TEST(ExampleStore, DropsAndCountsExamplesWithoutTargets) {
  const std::string content = R"({"prompt": "a", "completion": "b"})"
                              "\n"
                              R"({"prompt": "aaaaaaaaaaaaaaaa", "completion": "b"})"
                              "\n"
                              R"({"prompt": "a", "completion": "bbbbbbbbbbbbbbbb"})"
                              "\n";
  const auto store = store_of(content, 8);
  EXPECT_EQ(store->stats().examples, 3);
  EXPECT_EQ(store->stats().truncated, 2);
  EXPECT_EQ(store->stats().dropped, 1);
  EXPECT_FALSE(store->get(1).has_value());
  const auto batches = all_batches(BatchStream(store, {.sequences = 8}));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].offsets.size(), 3u);
}

TEST(ExampleStore, RefusesDataWithoutAnythingToLearn) {
  const auto error_of = [](const std::string& content, std::int64_t max_length, bool skip) {
    try {
      store_of(content, max_length, {.skip_bad_lines = skip});
    } catch (const FileError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of("\n\n", 8, false), HasSubstr("the data set is empty"));
  EXPECT_THAT(error_of("x\n{\n", 8, true), HasSubstr("all 2 were skipped as malformed"));
  EXPECT_THAT(error_of(R"({"prompt": "aaaaaaaa", "completion": "b"})", 4, false),
              HasSubstr("none of the 1 examples has a token to learn from (1 were truncated to 4"));
}

TEST(ExampleStore, TellsDataSetsApart) {
  const auto one = store_of(numbered(20));
  EXPECT_EQ(one->fingerprint(), store_of(numbered(20))->fingerprint());
  EXPECT_NE(one->fingerprint(), store_of(numbered(21))->fingerprint());
}

}  // namespace
}  // namespace svtune
