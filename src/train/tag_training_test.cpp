// A run that learns classes of words, from the files to the evaluation of what it saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "eval/evaluate.h"
#include "infer/score.h"
#include "merge/merge.h"
#include "report/metrics_log.h"
#include "report/run_files.h"
#include "text/tokenizer_test_util.h"
#include "train/checkpoint.h"
#include "train/label_run_test_util.h"
#include "train/training_run.h"

namespace svtune {
namespace tag_training_test {

namespace fs = std::filesystem;

using test::error_of;
using test::TempDirectory;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Of each word the class follows from the word: w0 to w9 begin a span, w10 to w19 go on with one.
std::string tagged_lines(int texts) {
  std::string lines;
  for (int i = 0; i < texts; ++i) {
    for (int k = 0; k < 6 + i % 3; ++k) {
      const int word = (i * 7 + k * 13) % 40;
      const char* tag = word < 10 ? "B-X" : word < 20 ? "I-X" : "O";
      lines += "w" + std::to_string(word) + " " + tag + "\n";
    }
    lines += "\n";
  }
  return lines;
}

struct Said final : RunObserver {
  void note(const std::string& text) override { all += text + "\n"; }
  void warning(const std::string& text) override { all += text + "\n"; }
  std::string all;
};

class TagTraining : public testing::Test {
 protected:
  TagTraining() {
    test::write_word_encoder(directory_ / "model");
    write_file_atomic(directory_ / "train.conll", tagged_lines(48));
    write_file_atomic(directory_ / "dev.conll", tagged_lines(11));
  }

  TrainOptions wanted() const {
    TrainOptions options;
    options.model.model = directory_ / "model";
    options.data.data = directory_ / "train.conll";
    options.data.eval_data = directory_ / "dev.conll";
    options.data.task = TrainTask::kTag;
    options.method = LoraConfig{};
    options.train.batch.batch_size = 8;
    options.train.batch.gradient_accumulation = 1;
    options.train.max_steps = 60;
    options.train.schedule.learning_rate = 5e-3;
    options.train.schedule.head_learning_rate = 5e-2;
    options.run.output = directory_ / "run";
    return options;
  }

  Score evaluate_tags(const fs::path& model, const std::optional<fs::path>& adapter,
                      const EvalTask& task = Tagging{}) const {
    LoadedModel loaded = load_with_adapter(model, adapter, {});
    EvalOptions what;
    what.task = task;
    what.data = directory_ / "dev.conll";
    what.batch_size = 4;
    EvalObserver observer;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    return evaluate(loaded, &*tokenizer, what, observer);
  }

  TempDirectory directory_;
};

TEST_F(TagTraining, ClassesOfWordsAreLearnedSavedAndMeasured) {
  Said said;
  const TrainOutcome outcome = run_training(wanted(), said);
  EXPECT_THAT(said.all, HasSubstr("words in 48 texts; labels: B-X"));
  const auto points = read_metrics(directory_ / "run" / "metrics.jsonl").points;
  ASSERT_TRUE(points.back().eval_f1);
  EXPECT_LT(*points.back().eval_loss, *points.front().loss);
  Tagging task;
  task.predictions = directory_ / "predictions.jsonl";
  const Score score = evaluate_tags(directory_ / "model", outcome.result, task);
  EXPECT_EQ(score.figures.front().name, "f1");
  EXPECT_EQ(score.figure("f1"), *points.back().eval_f1);
  EXPECT_EQ(score.figure("accuracy"), *points.back().eval_accuracy);
  EXPECT_NEAR(score.figure("loss"), *points.back().eval_loss, 1e-5);
  EXPECT_EQ(score.figure("documents"), 11);
  EXPECT_EQ(score.figure("words"), 76);
  // Half of the words are of one class.
  EXPECT_GT(score.figure("accuracy"), 0.6);
  const std::string lines = read_file(directory_ / "predictions.jsonl", 1 << 20);
  const Json first = parse_json(lines.substr(0, lines.find('\n')), "predictions");
  EXPECT_THAT(first.at("words").get<std::vector<std::string>>(),
              ElementsAre("w0", "w13", "w26", "w39", "w12", "w25"));
  EXPECT_EQ(first.at("labels"), Json({"B-X", "I-X", "O", "O", "I-X", "O"}));
  EXPECT_EQ(first.at("predicted").size(), 6U);
  EXPECT_GT(first.at("probability").at(5).get<double>(), 1.0 / 3);
  const Json config = read_json_file(outcome.result / "adapter_config.json");
  EXPECT_EQ(config.at("task_type"), "TOKEN_CLS");

  LoadedModel loaded = load_with_adapter(directory_ / "model", outcome.result, {});
  merge_to_directory(loaded.model, loaded.adapter->adapters, directory_ / "merged");
  const Score merged = evaluate_tags(directory_ / "merged", std::nullopt);
  EXPECT_NEAR(merged.figure("loss"), score.figure("loss"), 1e-4);
}

TEST_F(TagTraining, TheReportShowsWordsAmongTheirs) {
  RunObserver observer;
  run_training(wanted(), observer);
  const Json report = read_json_file(directory_ / "run" / "report.json");
  const std::string text = dump_json(report);
  EXPECT_THAT(text, HasSubstr("B-X"));
  EXPECT_THAT(text, HasSubstr("→ w"));
}

TEST_F(TagTraining, AnAdapterGoesOnWithItsClasses) {
  RunObserver observer;
  TrainOptions options = wanted();
  options.train.max_steps = 5;
  const TrainOutcome first = run_training(options, observer);
  TrainOptions further = wanted();
  further.model.adapter = first.result;
  further.train.max_steps = 20;
  further.run.output = directory_ / "further";
  const TrainOutcome second = run_training(further, observer);
  EXPECT_LT(evaluate_tags(directory_ / "model", second.result).figure("loss"),
            evaluate_tags(directory_ / "model", first.result).figure("loss"));
  // A head of words is none of documents, nor the other way round.
  TrainOptions documents = test::label_run(directory_.path(), TrainTask::kClassify);
  documents.model.adapter = first.result;
  documents.run.output = directory_ / "documents";
  EXPECT_THAT(error_of([&] { run_training(documents, observer); }),
              HasSubstr("whose head labels words"));
  EXPECT_THAT(
      error_of([&] { evaluate_tags(directory_ / "model", first.result, Classification{}); }),
      HasSubstr("labels words"));
  EXPECT_THAT(error_of([&] { evaluate_tags(directory_ / "model", first.result, Regression{}); }),
              HasSubstr("labels words"));
  documents.model.adapter.reset();
  documents.train.max_steps = 2;
  const TrainOutcome third = run_training(documents, observer);
  EXPECT_THAT(error_of([&] { evaluate_tags(directory_ / "model", third.result); }),
              HasSubstr("labels documents"));
}

// Ids of words that are ids of classes too would get a probability.
TEST_F(TagTraining, WhatAsksForNextWordsRefusesAHeadOfClasses) {
  TrainOptions options = wanted();
  options.train.max_steps = 2;
  RunObserver observer;
  const fs::path adapter = run_training(options, observer).result;
  EXPECT_THAT(error_of([&] { evaluate_tags(directory_ / "model", adapter, Perplexity{}); }),
              AllOf(HasSubstr("--task perplexity needs a language model; the head of "),
                    HasSubstr("labels words")));
  EXPECT_THAT(error_of([&] { evaluate_tags(directory_ / "model", adapter, ExactMatch{}); }),
              HasSubstr("--task exact-match needs a language model"));
  LoadedModel loaded = load_with_adapter(directory_ / "model", adapter, {});
  const std::vector<std::int32_t> ids = {0, 1};
  EXPECT_THAT(error_of([&] { score_sequences(*loaded.model.net, {ids}); }),
              HasSubstr("a model of labels of tokens: it predicts no next words"));
}

TEST_F(TagTraining, ARunThatGoesOnGivesTheSameBytes) {
  TrainOptions options = wanted();
  options.train.max_steps = 8;
  options.train.save_every = 3;
  options.train.keep_checkpoints = 100;
  options.data.eval_data.reset();
  options.data.eval_share = 0.25;
  RunObserver observer;
  const auto weights = [&] {
    const TrainOutcome outcome = run_training(options, observer);
    return read_file(outcome.result / "adapter_model.safetensors", 1 << 24);
  };
  const std::string whole = weights();
  const CheckpointStore store(options.run.output);
  for (const std::int64_t step : store.steps()) {
    if (step > 3) fs::remove_all(store.path(step));
  }
  options.run.resume = true;
  EXPECT_EQ(weights(), whole);
}

TEST_F(TagTraining, MissingAndUnknownClassesAreTold) {
  TrainOptions options = wanted();
  options.train.max_steps = 2;
  options.data.labels = {"O", "B-X", "I-X", "E-X"};
  Said said;
  run_training(options, said);
  EXPECT_THAT(said.all, HasSubstr("no word to learn has the class E-X, which stays unknown"));
  // Of each text the first word alone is seen.
  Said cut;
  options.data.labels = {"O", "B-X", "I-X"};
  write_file_atomic(directory_ / "train.conll", "w1 B-X\nw30 O\nw11 I-X\n\nw30 O\nw11 I-X\n");
  options.train.batch.max_length = 3;
  options.run.output = directory_ / "cut";
  run_training(options, cut);
  EXPECT_THAT(cut.all, HasSubstr("no word to learn has the class I-X,"));
  options.train.batch.max_length = wanted().train.batch.max_length;
  write_file_atomic(directory_ / "train.conll", tagged_lines(48));
  options.data.labels = {"O", "B-X"};
  options.run.output = directory_ / "other";
  EXPECT_THAT(error_of([&] { run_training(options, said); }),
              HasSubstr("\"I-X\" is none of O, B-X"));
  options.data.labels = {};
  write_file_atomic(directory_ / "dev.conll", "w1 B-Y\n");
  EXPECT_THAT(error_of([&] { run_training(options, said); }),
              HasSubstr("dev.conll:1: the label \"B-Y\" is none of"));
}

}  // namespace tag_training_test
}  // namespace svtune
