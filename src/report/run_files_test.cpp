// Run directories: what a run leaves behind is what its report shows.
#include "report/run_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace run_files_test {

class RunFilesTest : public ::testing::Test {
 protected:
  RunFilesTest()
      : folder_(std::filesystem::path(::testing::TempDir()) /
                ("svtune_run_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~RunFilesTest() override { std::filesystem::remove_all(folder_); }

  static RunFiles sample_run(const std::string& name, const std::string& answer) {
    RunFiles files;
    files.run.name = name;
    files.run.model_parameters = 1000;
    files.run.facts = {{"Method", name}};
    files.run.layers = {{"layers.0.q_proj", "4 x 4", name, 16, 8}};
    files.samples = {
        {"1 + 1?", "2", {{kAnswerBefore, "3", false}, {kAnswerAfter, answer, answer == "2"}}}};
    return files;
  }

  std::filesystem::path folder_;
};

TEST_F(RunFilesTest, DirectoryGivesBackWhatWasSaved) {
  const RunFiles saved = sample_run("PiSSA", "2");
  save_report_json(folder_, saved);
  write_file_atomic(folder_ / "config.json", "{\"rank\": 8}");
  write_file_atomic(folder_ / "metrics.jsonl", "{\"step\": 1, \"loss\": 2.5}\n");
  const RunFiles loaded = load_run_files(folder_);
  EXPECT_EQ(loaded.run.name, "PiSSA");
  EXPECT_EQ(loaded.run.model_parameters, 1000);
  EXPECT_EQ(loaded.run.facts[0].value, "PiSSA");
  EXPECT_EQ(loaded.run.layers[0].trainable_parameters, 8);
  EXPECT_EQ(loaded.run.config["rank"], 8);
  EXPECT_EQ(loaded.run.points[0].loss, 2.5);
  EXPECT_EQ(loaded.samples[0].answers[0].correct, false);
  EXPECT_FALSE(loaded.run.confusion);
  EXPECT_FALSE(loaded.run.saved_bytes);
  std::filesystem::create_directories(folder_ / "adapter");
  write_file_atomic(folder_ / "adapter" / "one", "12345");
  write_file_atomic(folder_ / "adapter" / "two", "678");
  EXPECT_EQ(load_run_files(folder_).run.saved_bytes, 8);
  write_run_report(folder_, "footer");
  const std::string page = read_file(folder_ / "report.html", 1 << 20);
  EXPECT_NE(page.find("<h1>PiSSA</h1>"), std::string::npos);
  EXPECT_NE(page.find("id=\"chart-loss\""), std::string::npos);
}

TEST_F(RunFilesTest, ClassesAndPredictionsComeBack) {
  RunFiles saved = sample_run("LoRA", "2");
  saved.run.confusion = ReportConfusion{{"cat", "dog"}, {{0, 1, 5}, {1, 7, 2}}};
  saved.run.predictions = {{"cat/7.png", "", "data:image/png;base64,AAAA", "cat", "dog", 0.75}};
  save_report_json(folder_, saved);
  write_file_atomic(folder_ / "metrics.jsonl", "{\"step\": 1, \"loss\": 2.5}\n");
  const ReportRun run = load_run_files(folder_).run;
  ASSERT_TRUE(run.confusion);
  EXPECT_EQ(run.confusion->labels[1], "dog");
  ASSERT_EQ(run.confusion->cells.size(), 1u);  // the other's class is none of the labels
  EXPECT_EQ(run.confusion->cells[0].count, 5);
  ASSERT_EQ(run.predictions.size(), 1u);
  EXPECT_EQ(run.predictions[0].image, "data:image/png;base64,AAAA");
  EXPECT_EQ(run.predictions[0].probability, 0.75);
  EXPECT_FALSE(run.predictions[0].correct());
}

TEST_F(RunFilesTest, MetricsAloneAreEnoughAndWithoutThemTheFolderIsNamed) {
  EXPECT_THROW(load_run_files(folder_), FileError);
  write_file_atomic(folder_ / "metrics.jsonl", "{\"step\": 1, \"loss\": 2.5}\n");
  EXPECT_EQ(load_run_files(folder_).run.name, folder_.filename().string());
  std::filesystem::create_directories(folder_ / "a");
  for (const char* way : {"", ".", "a/.."}) {
    EXPECT_EQ(load_run_files(folder_ / way).run.name, folder_.filename().string()) << way;
  }
  write_file_atomic(folder_ / "report.json", "{\"name\": 3}");
  EXPECT_THROW(load_run_files(folder_), FileError);
}

TEST_F(RunFilesTest, RunsShareTheirQuestions) {
  const ReportInput input = merge_runs("both", {sample_run("PiSSA", "2"), sample_run("LoRA", "4")});
  ASSERT_EQ(input.samples.size(), 1u);
  std::vector<std::string> labels;
  for (const ReportAnswer& answer : input.samples[0].answers) {
    labels.push_back(answer.label + "=" + answer.text);
  }
  EXPECT_THAT(labels, ::testing::ElementsAre("before=3", "PiSSA=2", "LoRA=4"));
  EXPECT_EQ(merge_runs("one", {sample_run("PiSSA", "2")}).samples[0].answers[1].label, "after");
}

}  // namespace run_files_test
}  // namespace svtune
