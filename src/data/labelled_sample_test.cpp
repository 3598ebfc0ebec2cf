// Few records of each class.
#include "data/labelled_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"

namespace svtune {
namespace labelled_sample_test {

using ::testing::ElementsAreArray;
using ::testing::Not;

// 30 records of class a, 20 of b, mixed.
LabelledRecords records() {
  LabelledRecords out;
  out.name = "set";
  for (int i = 0; i < 50; ++i) {
    out.records.push_back({"image " + std::to_string(i), {}, i % 5 < 3 ? "a" : "b", i + 1});
  }
  return out;
}

std::vector<std::int64_t> lines(const LabelledRecords& of) {
  std::vector<std::int64_t> out;
  for (const LabelledRecord& record : of.records) out.push_back(record.line);
  return out;
}

std::map<std::string, int> counts(const LabelledRecords& of) {
  std::map<std::string, int> out;
  for (const LabelledRecord& record : of.records) ++out[record.label];
  return out;
}

TEST(TakeShots, TakesSoManyOfEachClassWithoutOverlap) {
  LabelledRecords train = records();
  const LabelledRecords eval = take_shots(train, {.shots = 10, .eval_shots = 2}, 42);
  EXPECT_EQ(counts(train), (std::map<std::string, int>{{"a", 10}, {"b", 10}}));
  EXPECT_EQ(counts(eval), (std::map<std::string, int>{{"a", 2}, {"b", 2}}));
  std::vector<std::int64_t> all = lines(train);
  EXPECT_TRUE(std::ranges::is_sorted(all));
  const std::vector<std::int64_t> others = lines(eval);
  all.insert(all.end(), others.begin(), others.end());
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
}

TEST(TakeShots, DependsOnTheSeedAlone) {
  LabelledRecords one = records(), same = records(), other = records();
  take_shots(one, {.shots = 10, .eval_shots = 2}, 42);
  take_shots(same, {.shots = 10}, 42);
  take_shots(other, {.shots = 10}, 123);
  EXPECT_THAT(lines(same), ElementsAreArray(lines(one)));
  EXPECT_THAT(lines(other), Not(ElementsAreArray(lines(one))));
}

TEST(TakeShots, WithoutShotsTheRestIsLearned) {
  LabelledRecords train = records();
  const LabelledRecords eval = take_shots(train, {.eval_shots = 3}, 1);
  EXPECT_EQ(eval.records.size(), 6u);
  EXPECT_EQ(train.records.size(), 44u);
}

// Oracle: the seed's choice of one more of each class, where nothing is bad.
TEST(TakeShots, TheNextOfTheClassTakesTheBadOnesPlace) {
  LabelledRecords more = records(), chosen = records(), train = records();
  take_shots(more, {.shots = 11}, 42);
  take_shots(chosen, {.shots = 10}, 42);
  const auto bad =
      std::ranges::find(chosen.records, std::string("a"), &LabelledRecord::label)->line;
  const RecordCheck check{[bad](const LabelledRecord& record) -> std::optional<BadRecord> {
                            if (record.line != bad) return std::nullopt;
                            return BadRecord{record.first, "broken"};
                          },
                          2};
  take_shots(train, {.shots = 10}, 42, check);
  std::vector<std::int64_t> expected;
  const std::vector<std::int64_t> unbroken = lines(chosen);
  for (const LabelledRecord& record : more.records) {
    const bool in_place = std::ranges::count(unbroken, record.line) > 0;
    if (record.line != bad && (in_place || record.label == "a")) expected.push_back(record.line);
  }
  EXPECT_EQ(expected.size(), 20u);
  EXPECT_THAT(lines(train), ElementsAreArray(expected));
  ASSERT_EQ(train.bad.size(), 1u);
  EXPECT_EQ(train.bad[0].problem, "broken");
}

TEST(TakeShots, ABadOneIsNotLearnedWithTheRest) {
  LabelledRecords train = records();
  const RecordCheck check{[](const LabelledRecord& record) -> std::optional<BadRecord> {
    if (record.line % 2 == 0) return std::nullopt;
    return BadRecord{record.first, "broken"};
  }};
  const LabelledRecords eval = take_shots(train, {.eval_shots = 3}, 1, check);
  EXPECT_EQ(counts(eval), (std::map<std::string, int>{{"a", 3}, {"b", 3}}));
  for (const std::int64_t line : lines(eval)) EXPECT_EQ(line % 2, 0);
  EXPECT_GT(train.num_bad, 0);
  EXPECT_EQ(static_cast<std::int64_t>(train.records.size()), 44 - train.num_bad);
  LabelledRecords few = records();
  try {
    take_shots(few, {.shots = 11}, 1, check);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_STREQ(error.what(),
                 "set: the class \"b\" has 20 records, 10 of them bad; --shots needs 11 of each");
  }
}

TEST(TakeShots, RefusesClassesThatHaveTooFew) {
  LabelledRecords train = records();
  try {
    take_shots(train, {.shots = 19, .eval_shots = 2}, 1);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_STREQ(error.what(),
                 "set: the class \"b\" has 20 records; --shots and --eval-shots need 21 of each");
  }
  try {
    take_shots(train, {.eval_shots = 20}, 1);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_STREQ(error.what(),
                 "set: the class \"b\" has 20 records; --eval-shots needs 21 of each, one of them "
                 "to learn from");
  }
  EXPECT_THROW(take_shots(train, {.shots = 0}, 1), UsageError);
}

}  // namespace labelled_sample_test
}  // namespace svtune
