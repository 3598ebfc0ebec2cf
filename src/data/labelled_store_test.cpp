#include "data/labelled_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "data/batch_stream.h"
#include "data/data_test_util.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace labelled_store_test {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Pairs become [CLS] A [SEP] B [SEP] of the tokens a, b, c.
Tokenizer pair_tokenizer() {
  Json json = test::small_tokenizer_json();
  json["post_processor"] =
      Json::parse(R"({"type": "BertProcessing", "cls": ["▁", 5], "sep": [" ", 4]})");
  return test::make_tokenizer(json);
}

LabelledRecords records_of(const test::TempDirectory& dir, const std::string& text) {
  write_file_atomic(dir / "a.tsv", text);
  return read_labelled(dir / "a.tsv", {});
}

constexpr const char* kPairs =
    "sentence1\tsentence2\tlabel\na\tb\tyes\nab\tab\tno\naaaa\tbbbbbbbb\tyes\n";

TEST(LabelledStore, PairsHaveTypesAndClasses) {
  const test::TempDirectory dir;
  const LabelledRecords records = records_of(dir, kPairs);
  const auto store = std::make_shared<LabelledStore>(
      records, pair_tokenizer(),
      LabelledStoreOptions{.max_length = 9, .labels = LabelSet({"no", "yes"})});
  EXPECT_EQ(store->size(), 3);
  EXPECT_EQ(store->length(2), 9);
  EXPECT_THAT(store->losses(), ElementsAre(HasSubstr("1 of 3 records were cut to 9 tokens")));
  BatchStream stream(store, {.sequences = 2, .shuffle = false});
  const PackedBatch first = *stream.next();
  EXPECT_THAT(first.tokens, ElementsAre(5, 1, 4, 2, 4, 5, 6, 4, 6, 4));
  EXPECT_THAT(first.token_types, ElementsAre(0, 0, 0, 1, 1, 0, 0, 0, 1, 1));
  EXPECT_THAT(first.positions, ElementsAre(0, 1, 2, 3, 4, 0, 1, 2, 3, 4));
  EXPECT_THAT(first.offsets, ElementsAre(0, 5, 10));
  EXPECT_THAT(first.classes, ElementsAre(1, 0));
  EXPECT_THAT(first.supervised, IsEmpty());
  EXPECT_EQ(stream.total_batches(), 2);
  EXPECT_THAT(stream.next()->tokens, ElementsAre(5, 1, 1, 1, 4, 2, 2, 2, 4));
}

TEST(LabelledStore, ATokenizerWithoutAFrameIsTold) {
  EXPECT_EQ(unframed_warning(pair_tokenizer()), "");
  EXPECT_THAT(unframed_warning(test::make_tokenizer(test::small_tokenizer_json())),
              HasSubstr("no special tokens around a text"));
}

TEST(LabelledStore, NumbersAreTargetsOfRegression) {
  const test::TempDirectory dir;
  const auto store =
      std::make_shared<LabelledStore>(records_of(dir, "sentence\tscore\na\t4.5\nb\t-1\n"),
                                      pair_tokenizer(), LabelledStoreOptions{});
  BatchStream stream(store, {.shuffle = false});
  const PackedBatch batch = *stream.next();
  EXPECT_THAT(batch.numbers, ElementsAre(4.5F, -1.0F));
  EXPECT_THAT(batch.classes, IsEmpty());
  EXPECT_THAT(batch.token_types, IsEmpty());
  EXPECT_THAT(store->summary(), HasSubstr("targets from -1 to 4.5, mean 1.75, deviation 2.75"));
}

TEST(LabelledStore, WhatTheTokenizerRefusesIsABadRecord) {
  const test::TempDirectory dir;
  Json json = test::small_tokenizer_json();
  json["model"]["unk_token"] = "<none>";
  const Tokenizer tokenizer = test::make_tokenizer(json);
  const auto make = [&](bool skip) {
    return LabelledStore(records_of(dir, "sentence\tlabel\nab\tx\nz\ty\nb\ty\n"), tokenizer,
                         {.labels = LabelSet({"x", "y"}), .skip_bad_lines = skip});
  };
  EXPECT_THAT(error_of([&] { make(false); }), HasSubstr("a.tsv:3: the text needs the unknown"));
  const LabelledStore store = make(true);
  EXPECT_EQ(store.size(), 2);
  EXPECT_EQ(store.records().records[1].first, "b");
  EXPECT_THAT(store.losses(), ElementsAre(HasSubstr("no special tokens around a text"),
                                          HasSubstr("1 bad records are left out")));
}

// A batch of other documents than its labels would be learnt, or every prediction behind it moved.
TEST(LabelledStore, ATextWithoutATokenIsABadRecord) {
  const test::TempDirectory dir;
  const Tokenizer unframed = test::make_tokenizer(test::small_tokenizer_json());
  const auto make = [&](const std::string& rows, const Tokenizer& tokenizer, bool skip) {
    return LabelledStore(records_of(dir, "sentence\tlabel\n" + rows), tokenizer,
                         {.labels = LabelSet({"x", "y"}), .skip_bad_lines = skip});
  };
  const std::string rows = "a\tx\n\ty\nb\ty\n";
  EXPECT_THAT(error_of([&] { make(rows, unframed, false); }),
              HasSubstr("a.tsv:3: the text has no token"));
  const LabelledStore store = make(rows, unframed, true);
  EXPECT_EQ(store.size(), 2);
  EXPECT_EQ(store.records().records[1].first, "b");
  EXPECT_EQ(store.class_of(1), 1);
  EXPECT_THAT(error_of([&] { make("\tx\n", unframed, true); }),
              HasSubstr("all 1 were skipped as bad, the first in line 2 (the text has no token)"));
  EXPECT_EQ(make(rows, pair_tokenizer(), false).length(1), 2) << "special tokens are tokens";
}

TEST(LabelledStore, ALengthWithoutRoomIsNoFaultOfTheRecord) {
  const test::TempDirectory dir;
  for (const bool skip : {false, true}) {
    EXPECT_THROW(
        LabelledStore(records_of(dir, kPairs), pair_tokenizer(),
                      {.max_length = 3, .labels = LabelSet({"no", "yes"}), .skip_bad_lines = skip}),
        UsageError);
  }
}

TEST(LabelledStore, UnknownLabelsNameTheirLine) {
  const test::TempDirectory dir;
  EXPECT_THAT(error_of([&] {
                LabelledStore(records_of(dir, kPairs), pair_tokenizer(),
                              {.labels = LabelSet({"no", "maybe"})});
              }),
              HasSubstr("a.tsv:2: the label \"yes\" is none of no, maybe"));
}

}  // namespace labelled_store_test
}  // namespace svtune
