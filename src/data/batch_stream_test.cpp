// Batches: every example once per epoch, order by seed and epoch only, resumable anywhere.
#include "data/batch_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/errors.h"
#include "data/data_losses.h"
#include "data/data_test_util.h"

namespace svtune {
namespace batch_stream_test {

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

// Documents of one token, which note what they are told is coming.
class NotingStore final : public DocumentStore {
 public:
  std::int64_t size() const override { return 6; }
  std::int64_t length(std::int64_t) const override { return 1; }
  void append_to(PackedBatch& batch, std::int64_t index) const override {
    append_document(batch, {{static_cast<std::int32_t>(index)}, {true}, false});
  }
  std::int64_t tokens() const override { return size(); }
  std::uint64_t fingerprint() const override { return 0; }
  void expect(std::span<const std::uint32_t> coming) const override {
    told_.emplace_back(coming.begin(), coming.end());
  }
  const std::vector<std::vector<std::uint32_t>>& told() const { return told_; }

 private:
  mutable std::vector<std::vector<std::uint32_t>> told_;
};

TEST(BatchStream, TellsTheStoreOnceAnEpochWhatComes) {
  const auto store = std::make_shared<const NotingStore>();
  BatchStream stream(store, {.sequences = 2, .shuffle = false, .epochs = 2});
  while (stream.next()) {
  }
  const auto all = ElementsAre(0u, 1u, 2u, 3u, 4u, 5u);
  EXPECT_THAT(store->told(), ElementsAre(all, all));
  stream.seek({1, 4});
  EXPECT_TRUE(stream.next().has_value());
  EXPECT_THAT(store->told().back(), ElementsAre(4u, 5u));
}

// Oracle: going through all epochs.
TEST(BatchStream, CountsItsBatches) {
  const auto store = store_of(numbered(203));
  for (const bool shuffle : {false, true}) {
    for (const std::int64_t size : {1, 4, 23, 40, 900}) {
      BatchStreamOptions options{.sequences = size, .shuffle = shuffle, .seed = 5, .epochs = 3};
      BatchStream by_number(store, options);
      EXPECT_EQ(by_number.total_batches(),
                static_cast<std::int64_t>(all_batches(by_number).size()));
      options.tokens = size;
      BatchStream by_tokens(store, options);
      const std::vector<PackedBatch> batches = all_batches(by_tokens);
      EXPECT_EQ(by_tokens.total_batches(), static_cast<std::int64_t>(batches.size()));
      double tokens = 0;
      for (const PackedBatch& each : batches) tokens += static_cast<double>(each.tokens.size());
      if (!shuffle) {
        EXPECT_DOUBLE_EQ(by_tokens.tokens_per_batch(),
                         tokens / static_cast<double>(batches.size()));
      }
    }
  }
}

// A template that refuses some conversations, in files that are kept as tokens and in larger
// ones that are read again.
TEST(ExampleStore, RecordsThatTheTemplateRefusesAreBadLines) {
  const std::string source =
      "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('roles must alternate') }}{% endif %}{{ m.content }};{% endfor %}";
  const Tokenizer tokenizer = test::byte_tokenizer(true, source);
  const auto encoder = std::make_shared<ExampleEncoder>(
      tokenizer, PromptTemplate({.chat_template = std::nullopt}, tokenizer), EncodeOptions{});
  const test::TempDirectory directory;
  const std::string good =
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a)";
  const std::string bad =
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "user", "content": "p"}]})";
  for (const std::size_t padding : {std::size_t{0}, std::size_t{9} << 20}) {
    std::string content;
    for (int i = 0; i < 3; ++i) {
      content += good + std::to_string(i) + std::string(padding, '.') + "\"}]}\n" + bad + "\n";
    }
    write_file_atomic(directory / "d.jsonl", content);
    try {
      ExampleStore(directory / "d.jsonl", {}, encoder);
      ADD_FAILURE() << "a refused record must not pass";
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr("d.jsonl:2: "));
      EXPECT_THAT(error.what(), HasSubstr("roles must alternate"));
      EXPECT_THAT(error.hint(), HasSubstr("--skip-bad-lines"));
    }
    const ExampleStore store(directory / "d.jsonl", {.skip_bad_lines = true}, encoder);
    ASSERT_EQ(store.size(), 3);
    EXPECT_EQ(store.stats().bad_lines, 3);
    EXPECT_EQ(store.records().bad()[2].place, "6");
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_THAT(test::text_of(*store.get(i)), HasSubstr(";a" + std::to_string(i)));
      EXPECT_EQ(store.records().line(i), 2 * i + 1);
    }
  }
}

TEST(ExampleStore, SplitsLongTextsIntoBlocks) {
  const test::TempDirectory directory;
  for (const std::size_t padding : {std::size_t{0}, std::size_t{13} << 20}) {
    const std::string one = "The first text " + std::string(padding, '1');
    const std::string two = "and the second " + std::string(padding, '2');
    write_file_atomic(directory / "d.jsonl", "{\"text\": \"" + one + "\"}\n{\"text\": \"" + two +
                                                 "\"}\n{\"text\": \"end\"}\n");
    const auto encoder = raw_encoder(padding == 0 ? 8 : 1 << 20);
    const ExampleStore store(directory / "d.jsonl", {.long_texts = LongTexts::kSplit}, encoder);
    std::string predicted;
    for (std::int64_t i = 0; i < store.size(); ++i) {
      const TokenizedExample block = *store.get(i);
      EXPECT_LE(block.ids.size(), static_cast<std::size_t>(encoder->options().max_length));
      EXPECT_EQ(store.length(i), static_cast<std::int64_t>(block.ids.size()));
      predicted += test::learned(block).substr(1);
    }
    EXPECT_EQ(predicted, one + "#" + two + "#end#");
    EXPECT_EQ(store.stats().records, 3);
    EXPECT_GE(store.stats().examples, 7);
    EXPECT_EQ(store.stats().truncated, 0);
    EXPECT_EQ(store.example(store.size() - 1).completion, "end");
  }
}

TEST(DataLosses, NamesColumnsThatAreNotUsed) {
  const auto losses = data_losses(
      *store_of(R"({"instruction": "p", "output": "c", "type": "x", "history": [["q", "a"]]})"
                "\n"
                R"({"instruction": "p", "output": "c", "type": "x", "history": []})"
                "\n"));
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_THAT(losses[0], HasSubstr("columns not used: type (2 rows), history (1 row); the prompt's "
                                   "template has no place for history"));
}

TEST(DataLosses, ListsAFewOfManyColumns) {
  std::string record = R"({"prompt": "p", "completion": "c")";
  for (int i = 1; i <= 30; ++i) record += ", \"c" + std::to_string(i) + "\": 1";
  const auto losses = data_losses(*store_of(record + "}\n"));
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_THAT(losses[0], HasSubstr("c20 (1 row) and 10 columns more"));
}

TEST(VainOptions, OfPlainTextsAndOfOthers) {
  const auto texts = store_of("{\"text\": \"a long text\"}\n");
  const auto pairs = store_of("{\"prompt\": \"p\", \"completion\": \"c\"}\n");
  const PromptOptions system{.system = "S"};
  const DataOptions split{.long_texts = LongTexts::kSplit};
  EXPECT_EQ(vain_options(*pairs, system, {}).size() + vain_options(*texts, {}, split).size(), 0u);
  ASSERT_EQ(vain_options(*texts, system, split).size(), 1u);
  EXPECT_THAT(vain_options(*texts, system, split)[0], HasSubstr("--system"));
  ASSERT_EQ(vain_options(*pairs, system, split).size(), 1u);
  EXPECT_THAT(vain_options(*pairs, system, split)[0], HasSubstr("--long split"));
}

TEST(DataLosses, NamesFieldsOfMessagesThatTheTemplateDoesNotRead) {
  const Tokenizer tokenizer =
      test::byte_tokenizer(true, "{% for m in messages %}{{ m.name }}{{ m.content }};{% endfor %}");
  const auto encoder = std::make_shared<ExampleEncoder>(
      tokenizer, PromptTemplate({.chat_template = std::nullopt}, tokenizer), EncodeOptions{});
  const test::TempDirectory directory;
  const std::string row =
      R"({"messages": [{"role": "user", "content": "q", "name": "n", "id": 3, "note": ""},)"
      R"( {"role": "assistant", "content": "a", "thinking": "t", "id": 4, "weight": 1}]})";
  write_file_atomic(directory / "d.jsonl", row + "\n" + row + "\n");
  const auto losses = data_losses(ExampleStore(directory / "d.jsonl", {}, encoder));
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_THAT(losses[0], HasSubstr("fields of messages not used: id (2 rows), thinking (2 rows); "
                                   "the chat template has no place for them"));
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
  EXPECT_THAT(error_of("x\n{\n", 8, true), HasSubstr("all 2 were skipped as bad"));
  EXPECT_THAT(error_of(R"({"prompt": "aaaaaaaa", "completion": "b"})", 4, false),
              HasSubstr("none of the 1 examples has a token to learn from (1 were truncated to 4"));
}

TEST(ExampleStore, SaysWhyNothingIsLearnedOfWholeExamples) {
  const Tokenizer tokenizer = test::byte_tokenizer();
  const auto chat = std::make_shared<ExampleEncoder>(
      tokenizer, PromptTemplate({.chat_template = "chatml"}, tokenizer),
      EncodeOptions{.max_length = 64});
  const test::TempDirectory directory;
  write_file_atomic(directory / "d.jsonl",
                    R"({"messages": [{"role": "user", "content": "q"},)"
                    R"( {"role": "assistant", "content": "a", "weight": 0}]})");
  try {
    ExampleStore(directory / "d.jsonl", {}, chat);
    ADD_FAILURE() << "nothing is refused";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), ::testing::EndsWith("has a token to learn from"));
    EXPECT_THAT(error.hint(), HasSubstr("of weight 0"));
  }
}

TEST(ExampleStore, AFileNamedTxtHoldsTexts) {
  const test::TempDirectory directory;
  const auto kind_of = [&](const std::string& name, const std::string& content,
                           RecordFormat format = RecordFormat::kAuto) {
    write_file_atomic(directory / name, content);
    const ExampleStore store(directory / name, {.format = format}, raw_encoder());
    EXPECT_EQ(store.size(), 2);
    return store.example(0).kind;
  };
  EXPECT_EQ(kind_of("d.txt", "One text.\nAnother, \"text\".\n"), ExampleKind::kText);
  EXPECT_EQ(kind_of("d.TXT.gz", "not packed\nall the same\n"), ExampleKind::kText);
  EXPECT_EQ(kind_of("d.txt", numbered(2)), ExampleKind::kPair);
  EXPECT_EQ(kind_of("d.txt", numbered(2), RecordFormat::kLines), ExampleKind::kText);
  EXPECT_THROW(kind_of("d.jsonl", "One text.\nAnother.\n"), FileError);
  EXPECT_THROW(kind_of("d.txt", "One text.\nAnother.\n", RecordFormat::kText), FileError);
}

TEST(ExampleStore, TellsDataSetsApart) {
  const auto one = store_of(numbered(20));
  EXPECT_EQ(one->fingerprint(), store_of(numbered(20))->fingerprint());
  EXPECT_NE(one->fingerprint(), store_of(numbered(21))->fingerprint());
  // Same size, another byte in any record.
  for (const char* number : {"<0>", "<7>", "<13>", "<19>"}) {
    std::string changed = numbered(20);
    changed[changed.find(number)] = '[';
    EXPECT_NE(one->fingerprint(), store_of(changed)->fingerprint()) << number;
  }
}

}  // namespace batch_stream_test
}  // namespace svtune
