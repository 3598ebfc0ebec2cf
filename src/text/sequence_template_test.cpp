#include "text/sequence_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "text/post_processor.h"
#include "text/tokenizer_test_util.h"

namespace svtune {
namespace sequence_template_test {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Tokenizer with_post_processor(const std::string& json) {
  Json tokenizer = test::small_tokenizer_json();
  tokenizer["post_processor"] = Json::parse(json);
  return test::make_tokenizer(tokenizer);
}

TEST(SequenceTemplate, TheLongerTextIsCutFirst) {
  EXPECT_EQ(cut_longest_first({3, 4}, 7), (PairLengths{3, 4}));
  EXPECT_EQ(cut_longest_first({2, 9}, 6), (PairLengths{2, 4}));
  EXPECT_EQ(cut_longest_first({9, 2}, 6), (PairLengths{4, 2}));
  EXPECT_EQ(cut_longest_first({9, 8}, 7), (PairLengths{4, 3}));
  EXPECT_EQ(cut_longest_first({8, 9}, 7), (PairLengths{3, 4}));
  EXPECT_EQ(cut_longest_first({0, 9}, 0), (PairLengths{0, 0}));
}

TEST(SequenceTemplate, WithoutOneTheTextsStandBehindEachOther) {
  const Tokenizer tokenizer = with_post_processor("null");
  const TypedTokens pair = tokenizer.encode_typed("ab", "c", 10);
  EXPECT_THAT(pair.ids, ElementsAre(6, 3));
  EXPECT_THAT(pair.types, ElementsAre(0, 1));
  EXPECT_FALSE(pair.cut);
}

TEST(SequenceTemplate, SpecialTokensStayWhenTextsAreCut) {
  const Tokenizer tokenizer =
      with_post_processor(R"({"type": "BertProcessing", "cls": ["b", 2], "sep": ["c", 3]})");
  const TypedTokens pair = tokenizer.encode_typed("aaaa", "aaaaaaaa", 8);
  EXPECT_THAT(pair.ids, ElementsAre(2, 1, 1, 3, 1, 1, 1, 3));
  EXPECT_THAT(pair.types, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_TRUE(pair.cut);
  const TypedTokens single = tokenizer.encode_typed("aaaa", std::nullopt, 4);
  EXPECT_THAT(single.ids, ElementsAre(2, 1, 1, 3));
  EXPECT_THAT(error_of([&] { tokenizer.encode_typed("a", "a", 3); }),
              HasSubstr("leaves no room for text beside 3 special tokens"));
}

TEST(SequenceTemplate, SeveralProcessorsHaveNoFormForPairs) {
  const Tokenizer tokenizer = with_post_processor(R"({"type": "Sequence", "processors": [
    {"type": "ByteLevel"}, {"type": "BertProcessing", "cls": ["b", 2], "sep": ["c", 3]},
    {"type": "RobertaProcessing", "cls": ["a", 1], "sep": ["c", 3]}]})");
  EXPECT_THAT(tokenizer.encode("ab", true), ElementsAre(1, 2, 6, 3, 3));
  EXPECT_THAT(error_of([&] { tokenizer.encode_typed("a", "a", 99); }),
              HasSubstr("no form for a pair"));
}

TEST(SequenceTemplate, MalformedTemplatesAreReported) {
  const auto error = [](const std::string& pieces) {
    return error_of([&] {
      with_post_processor(R"({"type": "TemplateProcessing", "special_tokens": {},
        "single": [{"Sequence": {"id": "A", "type_id": 0}}], "pair": )" +
                          pieces + "}");
    });
  };
  EXPECT_THAT(error("[]"), IsEmpty());
  EXPECT_THAT(error(R"([{"Sequence": {"id": "A"}}])"), HasSubstr("A and B exactly once"));
  EXPECT_THAT(error(R"([{"Sequence": {"id": "A", "type_id": -1}}])"), HasSubstr("type_id"));
}

}  // namespace sequence_template_test
}  // namespace svtune
