#include "eval/numeric_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace svtune {
namespace numeric_answers_test {

using testing::Eq;
using testing::Optional;

TEST(ExtractAnswer, ReadsNumbersAsPeopleWriteThem) {
  const std::pair<const char*, double> cases[] = {
      {"The answer is: 72, in total", 72},
      {"The answer is: 1,234", 1234},
      {"The answer is: 1,234,567", 1234567},
      {"The answer is: 1,234,567.25.", 1234567.25},
      {"The answer is: 12,34,567", 1234567},
      {"The answer is: 1'234'567", 1234567},
      {"The answer is: 1\u202F234\u202F567", 1234567},
      {"The answer is: 1.234.567", 1234567},
      {"The answer is: 1.234", 1.234},
      {"The answer is: 1, 2 and 3", 1},
      {"The answer is: 12,5", 12},
      {"The answer is: 1234,567", 1234},
      {"The answer is: -3", -3},
      {"The answer is: -$5", -5},
      {"The answer is: $-5", -5},
      {"The answer is: -$ 5", -5},
      {"The answer is: \u2212\u20AC1,000", -1000},
      {"The answer is: -\\$5", -5},
      {"The answer is: $18.00", 18},
      {"The answer is: - 42", -42},
      {"The answer is: +7", 7},
      {"The answer is: **42**", 42},
      {"The answer is: **-42**", -42},
      {"The answer is:\n- 42 apples", 42},
      {"The answer is: x-42", 42},
      {"The answer is: x - 42", 42},
      {"The answer is: 17.6", 17.6},
      {"The answer is: .5", 0.5},
      {"The answer is: 3/4", 0.75},
      {"The answer is: -3/4 of it", -0.75},
      {"The answer is: 1 1/2", 1.5},
      {"The answer is: 3/4/2020", 3},
      {"The answer is: 2.5e3", 2500},
      {"The answer is: 5 eggs", 5},
      {"The answer is: 50%", 50},
      {"The answer is: 42.", 42},
  };
  for (const auto& [text, value] : cases) {
    EXPECT_THAT(extract_answer(text), Optional(Eq(value))) << text;
  }
}

TEST(ExtractAnswer, KnowsTheUsualPhrasesAndTakesTheLastAnswer) {
  EXPECT_THAT(extract_answer("The answer is 42."), Optional(Eq(42)));
  EXPECT_THAT(extract_answer("So the answer is 42"), Optional(Eq(42)));
  EXPECT_THAT(extract_answer("3 + 4 = 7\n#### 7"), Optional(Eq(7)));
  EXPECT_THAT(extract_answer("####7"), Optional(Eq(7)));
  EXPECT_THAT(extract_answer("The answer is: 1. No, the answer is: 2"), Optional(Eq(2)));
  EXPECT_THAT(extract_answer("#### 1\nThe answer is: 2"), Optional(Eq(2)));
  EXPECT_THAT(extract_answer("The answer is: 2\n#### 1"), Optional(Eq(1)));
  EXPECT_THAT(extract_answer("#### 12\nThe answer is correct."), Optional(Eq(12)));
}

TEST(ExtractAnswer, GivesNothingWithoutPhraseOrNumber) {
  for (const char* text :
       {"", "42", "It is 42", "The answer is: many", "The answer is: ", "####"}) {
    EXPECT_EQ(extract_answer(text), std::nullopt) << text;
  }
  EXPECT_EQ(extract_answer("The answer is: " + std::string(300, '.') + "5"), std::nullopt);
}

TEST(ReferenceAnswer, IsMarkedOrTheWholeText) {
  EXPECT_THAT(reference_answer("2 + 2 = 4\n#### 4"), Optional(Eq(4)));
  EXPECT_THAT(reference_answer("#### -1,234"), Optional(Eq(-1234)));
  EXPECT_THAT(reference_answer("The answer is: 9"), Optional(Eq(9)));
  EXPECT_THAT(reference_answer(" 12 "), Optional(Eq(12)));
  EXPECT_THAT(reference_answer("-$1,234.50"), Optional(Eq(-1234.5)));
  EXPECT_THAT(reference_answer("50%"), Optional(Eq(50)));
  EXPECT_THAT(reference_answer("3/4"), Optional(Eq(0.75)));
  for (const char* text : {"the correct answer is answer2", "12 apples", "about 12", "", "-"}) {
    EXPECT_EQ(reference_answer(text), std::nullopt) << text;
  }
}

}  // namespace numeric_answers_test
}  // namespace svtune
