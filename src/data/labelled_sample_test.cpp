// Few records of each class.
#include "data/labelled_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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

TEST(TakeShots, RefusesClassesThatHaveTooFew) {
  LabelledRecords train = records();
  try {
    take_shots(train, {.shots = 19, .eval_shots = 2}, 1);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_STREQ(error.what(),
                 "set: the class \"b\" has 20 records; --shots and --eval-shots need 21 of each");
  }
  EXPECT_THROW(take_shots(train, {.shots = 0}, 1), UsageError);
}

}  // namespace labelled_sample_test
}  // namespace svtune
