#include "data/tagged_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "data/batch_stream.h"
#include "data/data_test_util.h"
#include "data/tagged_records.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace tagged_store_test {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// [CLS] is 2, [SEP] 3; "wolf" is one token, "wolves" the tokens 6, 7, 8 ("wol", "##ve", "##s").
Tokenizer piece_tokenizer() {
  const test::TempDirectory dir;
  write_file_atomic(dir / "vocab.txt",
                    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwolf\nwol\n##ve\n##s\n");
  write_file_atomic(dir / "tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer"})");
  return Tokenizer::load(dir.path());
}

LabelledRecords tagged(const std::string& file, const std::string& text,
                       const LabelledOptions& options = {}) {
  const test::TempDirectory dir;
  write_file_atomic(dir / file, text);
  return read_tagged(dir / file, options);
}

constexpr const char* kLines =
    "-DOCSTART- -X- O\n\nwolf NN B-A\nwolves NNS O\n\n\nwolf NN -100\nwolf NN B-A\r\n";

TEST(TaggedRecords, LinesAndListsAreTheSameTexts) {
  const LabelledRecords lines = tagged("a.conll", kLines);
  ASSERT_EQ(lines.records.size(), 2U);
  EXPECT_EQ(lines.records[0].line, 3);
  EXPECT_EQ(lines.records[1].line, 7);
  EXPECT_THAT(lines.records[0].words, ElementsAre("wolf", "wolves"));
  EXPECT_THAT(lines.records[1].tags, ElementsAre("-100", "B-A"));
  EXPECT_THAT(lines.unused_columns, ElementsAre("2"));
  const LabelledRecords lists =
      tagged("a.jsonl", R"({"id": 1, "tokens": ["wolf", "wolves"], "ner_tags": ["B-A", "O"]})"
                        "\n"
                        R"({"id": 2, "tokens": ["wolf", "wolf"], "ner_tags": [-100, "B-A"]})");
  EXPECT_EQ(lists.fingerprint(), lines.fingerprint());
  EXPECT_THAT(lists.unused_columns, ElementsAre("id"));
  EXPECT_EQ(tag_summary(lines, LabelSet({"B-A", "O"})).substr(lines.name.size()),
            ": 3 words in 2 texts; labels: B-A 2 (66.7 %), O 1 (33.3 %); columns not used: 2");
}

TEST(TaggedRecords, ColumnsAreChosen) {
  const LabelledRecords tabs = tagged("a.tsv", "# text = x\n1\tNew York\tB-L\n2\t#\tO\n",
                                      {.text_columns = {"2"}, .label_column = "3"});
  EXPECT_THAT(tabs.records.at(0).words, ElementsAre("New York", "#"));
  const LabelledRecords named =
      tagged("a.json", R"([{"w": ["a"], "t": [3]}])", {.text_columns = {"w"}, .label_column = "t"});
  EXPECT_THAT(named.records.at(0).tags, ElementsAre("3"));
  EXPECT_THAT(error_of([] { tagged("a.json", R"([{"w": ["a"], "t": [3]}])"); }),
              HasSubstr("no column is known as the words; there are w, t"));
  const auto json_error = [](const std::string& words, const std::string& tags) {
    return error_of([&] {
      tagged("a.json", R"([{"tokens": ["a"], "tags": [3]}])",
             {.text_columns = {words}, .label_column = tags});
    });
  };
  EXPECT_THAT(json_error("tokens", "none"),
              HasSubstr("--label-column names the column \"none\"; there are tokens, tags"));
  EXPECT_THAT(json_error("1", "tags"), HasSubstr("--text-columns names the column \"1\""));
  EXPECT_THAT(json_error("tags", "tags"), HasSubstr("nothing would be left to learn"));
  EXPECT_THAT(error_of([] { tagged("a.conll", "a b\n", {.label_column = "3"}); }),
              HasSubstr("columns 1 to 2"));
  EXPECT_THAT(error_of([] { tagged("a.conll", "a b\n", {.label_column = "1"}); }),
              HasSubstr("nothing would be left to learn"));
}

TEST(TaggedRecords, BadTextsNameTheirLine) {
  const auto said = [](const char* file, const std::string& text) {
    return error_of([&] { tagged(file, text); });
  };
  EXPECT_THAT(said("a.conll", "a O\nb\n"), HasSubstr("a.conll:2: the line has 1 cells"));
  EXPECT_THAT(said("a.tsv", "a\tO\nb\t\n"), HasSubstr("a.tsv:2: the class of \"b\" is empty"));
  EXPECT_THAT(said("a.conll", "word\n"), HasSubstr("a.conll:1: the line has one cell"));
  EXPECT_THAT(said("a.conll", "a O\nb\tO\n"),
              HasSubstr("a.conll:1: the line has one cell between tabs"));
  EXPECT_EQ(tagged("a.conll", "title\n\na O\n", {.skip_bad_lines = true}).records.size(), 1U);
  EXPECT_THAT(said("a.conll", "a -100\n"), HasSubstr("no word has a class"));
  EXPECT_THAT(said("a.jsonl", R"({"tokens": ["a", "b"], "tags": ["O"]})"),
              HasSubstr("a.jsonl:1: column tokens has 2 words, column tags 1 classes"));
  EXPECT_THAT(said("a.jsonl", R"({"tokens": "a b", "tags": ["O"]})"),
              HasSubstr("column tokens must be a list of words"));
  EXPECT_THAT(said("a.jsonl", R"({"tokens": ["a", ""], "tags": ["O", "O"]})"),
              HasSubstr("a word is empty"));
  EXPECT_THAT(error_of([] { tagged("a.csv", "a,O\n", {.table = TableForm::kCsv}); }),
              HasSubstr("reads no CSV"));
  EXPECT_THAT(said("a.csv", "a,O\n"), HasSubstr("reads no CSV"));
  EXPECT_THAT(error_of([] { read_labelled("a.conll", {.table = TableForm::kWords}); }),
              HasSubstr("a class for each word"));
  try {
    tagged("a.conllu", "a O\n");
    ADD_FAILURE() << "read as JSON";
  } catch (const FileError& error) {
    EXPECT_THAT(error.hint(), HasSubstr("--table words reads lines with a word and its class"));
  }
  // The whole text is left out.
  const LabelledRecords rest = tagged("a.conll", "a O\nb\n\nc O\n", {.skip_bad_lines = true});
  ASSERT_EQ(rest.records.size(), 1U);
  EXPECT_THAT(rest.records[0].words, ElementsAre("c"));
  EXPECT_EQ(rest.num_bad, 1);
}

// As transformers' tokenizer gives with is_split_into_words, with -100 for further tokens.
TEST(TaggedStore, ClassesBelongToTheFirstTokensOfWords) {
  const auto store = std::make_shared<TaggedStore>(tagged("a.conll", kLines), piece_tokenizer(),
                                                   LabelSet({"O", "B-A"}), TaggedStoreOptions{});
  EXPECT_THAT(store->losses(), IsEmpty());
  EXPECT_EQ(store->length(0), 6);
  EXPECT_THAT(*store->learnt_words(1), ElementsAre(1U));
  BatchStream stream(store, {.sequences = 2, .shuffle = false});
  const PackedBatch batch = *stream.next();
  EXPECT_THAT(batch.tokens, ElementsAre(2, 5, 6, 7, 8, 3, 2, 5, 5, 3));
  EXPECT_THAT(batch.positions, ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 3));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 6, 10));
  EXPECT_THAT(batch.supervised, ElementsAre(1, 2, 8));
  EXPECT_THAT(batch.targets, ElementsAre(1, 0, 1));
  EXPECT_THAT(batch.classes, IsEmpty());
  EXPECT_FALSE(batch.masked);
}

TEST(TaggedStore, WhatIsCutOrHasNoTokenIsTold) {
  const TaggedStore store(
      tagged("a.conll", "wolf O\nwolves B-A\nwolf O\n\n\xE2\x80\x8B O\nwolf O\n"),
      piece_tokenizer(), LabelSet({"O", "B-A"}), {.max_length = 5});
  EXPECT_THAT(
      store.losses(),
      ElementsAre(HasSubstr("1 of 2 texts were cut to 5 tokens, so that the classes of 1 word are"),
                  HasSubstr("of 1 word the tokenizer makes no token")));
  EXPECT_THAT(*store.learnt_words(0), ElementsAre(0U, 1U));
  EXPECT_THAT(*store.learnt_words(1), ElementsAre(1U));
  EXPECT_EQ(store.length(0), 5);
}

TEST(TaggedStore, ATextWithoutAClassIsNoPartOfABatch) {
  const auto store =
      std::make_shared<TaggedStore>(tagged("a.conll", "wolf -100\n\nwolf O\n"), piece_tokenizer(),
                                    LabelSet({"O", "B-A"}), TaggedStoreOptions{});
  EXPECT_EQ(store->size(), 2);
  EXPECT_EQ(store->length(0), 0);
  BatchStream stream(store, {.sequences = 2, .shuffle = false});
  EXPECT_THAT(stream.next()->offsets, ElementsAre(0, 3));
}

TEST(TaggedStore, UnknownClassesNameTheirLine) {
  EXPECT_THAT(error_of([] {
                TaggedStore(tagged("a.conll", kLines), piece_tokenizer(), LabelSet({"O", "B-B"}),
                            {});
              }),
              HasSubstr("a.conll:3: the label \"B-A\" is none of O, B-B"));
  EXPECT_THROW(TaggedStore(tagged("a.conll", kLines), piece_tokenizer(), LabelSet({"O", "B-A"}),
                           {.max_length = 2}),
               UsageError);
}

}  // namespace tagged_store_test
}  // namespace svtune
