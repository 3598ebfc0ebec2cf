#include "data/word_problems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "base/errors.h"
#include "base/json.h"

namespace svtune {
namespace word_problems_test {

constexpr std::uint64_t kSeed = 7;

std::vector<WordProblem> both_parts(std::size_t count) {
  auto problems = make_word_problems(kSeed, count, Split::kTrain);
  const auto test = make_word_problems(kSeed, count, Split::kTest);
  problems.insert(problems.end(), test.begin(), test.end());
  return problems;
}

int compute(int lhs, char op, int rhs) {
  switch (op) {
    case '+':
      return lhs + rhs;
    case '-':
      return lhs - rhs;
    case '*':
      return lhs * rhs;
    default:
      return lhs % rhs == 0 ? lhs / rhs : -1;
  }
}

std::vector<int> numbers_in(const std::string& text) {
  static const std::regex number("\\d+");
  std::vector<int> numbers;
  for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it) {
    numbers.push_back(std::stoi(it->str()));
  }
  return numbers;
}

TEST(WordProblems, EveryStepIsTrueAndTheLastIsTheAnswer) {
  static const std::regex step("(\\d+) ([-+*/]) (\\d+) = (\\d+)\\. ");
  const auto problems = both_parts(2000);
  ASSERT_EQ(problems.size(), 4000u);
  for (const auto& problem : problems) {
    const std::string& text = problem.response;
    int steps = 0;
    int last = 0;
    for (std::sregex_iterator it(text.begin(), text.end(), step), end; it != end; ++it, ++steps) {
      last = std::stoi((*it)[4]);
      EXPECT_EQ(compute(std::stoi((*it)[1]), (*it)[2].str()[0], std::stoi((*it)[3])), last) << text;
      EXPECT_GE(last, 1);
      EXPECT_LE(last, 100);
    }
    EXPECT_GE(steps, 2) << text;
    EXPECT_LE(steps, 3) << text;
    EXPECT_EQ(last, problem.answer) << text;
    const std::string ending = "The answer is: " + std::to_string(problem.answer);
    EXPECT_EQ(text.substr(text.size() - ending.size()), ending);
  }
}

TEST(WordProblems, WorkingStartsFromTheQuestionsNumbers) {
  for (const auto& problem : both_parts(1000)) {
    const auto given = numbers_in(problem.query);
    std::multiset<int> known(given.begin(), given.end());
    known.insert(2);  // "two equal parts" is a word in the question
    const auto used = numbers_in(problem.response.substr(0, problem.response.find("The answer")));
    for (std::size_t i = 0; i + 2 < used.size(); i += 3) {
      EXPECT_TRUE(known.contains(used[i]) && known.contains(used[i + 1])) << problem.query << "\n"
                                                                          << problem.response;
      known.insert(used[i + 2]);
    }
  }
}

TEST(WordProblems, TextIsFilledInAndShort) {
  for (const auto& problem : both_parts(1000)) {
    EXPECT_EQ((problem.query + problem.response).find_first_of("{}"), std::string::npos);
    EXPECT_EQ(problem.query.back(), '?');
    EXPECT_TRUE(std::isupper(problem.query[0]) || std::isdigit(problem.query[0])) << problem.query;
    EXPECT_TRUE(std::isupper(problem.response[0])) << problem.response;
    EXPECT_LE(std::count(problem.query.begin(), problem.query.end(), ' '), 45) << problem.query;
    EXPECT_LE(std::count(problem.response.begin(), problem.response.end(), ' '), 40);
  }
}

TEST(WordProblems, SameSeedGivesTheSameAndMoreOnlyAppends) {
  const auto few = make_word_problems(kSeed, 50, Split::kTrain);
  const auto many = make_word_problems(kSeed, 200, Split::kTrain);
  const auto other = make_word_problems(kSeed + 1, 50, Split::kTrain);
  int equal_to_other = 0;
  for (std::size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(few[i].query, many[i].query);
    EXPECT_EQ(few[i].response, many[i].response);
    equal_to_other += few[i].query == other[i].query;
  }
  EXPECT_LT(equal_to_other, 5);
}

TEST(WordProblems, NoQuestionRepeatsAndThePartsAreDisjointForAllSeeds) {
  std::set<std::string> train;
  for (const auto& problem : make_word_problems(kSeed, 3000, Split::kTrain)) {
    EXPECT_TRUE(train.insert(problem.query).second) << problem.query;
  }
  std::set<std::string> test;
  for (const auto& problem : make_word_problems(kSeed + 5, 3000, Split::kTest)) {
    EXPECT_TRUE(test.insert(problem.query).second) << problem.query;
    EXPECT_FALSE(train.contains(problem.query)) << problem.query;
  }
}

TEST(WordProblems, FixedSeedGivesTheRecordedProblem) {
  const auto problems = make_word_problems(1, 1, Split::kTrain);
  EXPECT_EQ(
      word_problem_line(problems[0]),
      R"({"query": "There are 8 bags with 5 marbles in each. Rosa takes 8 marbles out. How many marbles are left in the bags?", "response": "Marbles in the bags: 8 * 5 = 40. Marbles left: 40 - 8 = 32. The answer is: 32"})");
}

TEST(WordProblems, LineIsTheJsonOfQueryAndResponse) {
  const WordProblem problem{"How many \"x\"?", "The answer is: 4", 4};
  const Json line = parse_json(word_problem_line(problem), "line");
  EXPECT_EQ(line.size(), 2u);
  EXPECT_EQ(line["query"], problem.query);
  EXPECT_EQ(line["response"], problem.response);
}

TEST(WordProblems, MoreThanAMillionIsRefused) {
  EXPECT_THROW(make_word_problems(kSeed, 1'000'001, Split::kTest), UsageError);
}

}  // namespace word_problems_test
}  // namespace svtune
