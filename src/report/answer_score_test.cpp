// Files of answers as svtune eval writes them.
#include "report/answer_score.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace answer_score_test {

class AnswerScore : public ::testing::Test {
 protected:
  AnswerScore()
      : path_(std::filesystem::path(::testing::TempDir()) /
              ("svtune_answers_" + std::to_string(getpid()) + ".jsonl")) {}
  ~AnswerScore() override { std::filesystem::remove(path_); }

  std::string refusal(const std::string& content) {
    write_file_atomic(path_, content);
    try {
      read_score(path_);
    } catch (const FileError& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path path_;
};

TEST_F(AnswerScore, CountsRightOnes) {
  write_file_atomic(path_,
                    "{\"answer\": \"4\", \"correct\": true}\n\n{\"correct\": false}\n"
                    "{\"correct\": true}");
  const ReportScore score = read_score(path_);
  EXPECT_EQ(score.right, 2);
  EXPECT_EQ(score.asked, 3);
}

TEST_F(AnswerScore, LinesThatSayNothingAreRefusedByNumber) {
  EXPECT_THAT(refusal("{\"correct\": true}\n{\"answer\": \"4\"}\n"),
              ::testing::HasSubstr(".jsonl:2"));
  EXPECT_THAT(refusal("{\"correct\": \"yes\"}\n"), ::testing::HasSubstr(".jsonl:1"));
  EXPECT_THAT(refusal("[true]\n"), ::testing::HasSubstr(".jsonl:1"));
  EXPECT_THAT(refusal("\n"), ::testing::HasSubstr("holds no answers"));
}

}  // namespace answer_score_test
}  // namespace svtune
