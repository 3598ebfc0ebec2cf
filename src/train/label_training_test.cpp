// A run that learns labels, from the files to the evaluation of what it saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "eval/evaluate.h"
#include "formats/safetensors.h"
#include "report/metrics_log.h"
#include "report/run_files.h"
#include "text/tokenizer_test_util.h"
#include "train/label_run_test_util.h"
#include "train/labelled_data.h"
#include "train/prepare_session.h"
#include "train/run_report.h"
#include "train/training_run.h"

namespace svtune {
namespace label_training_test {

namespace fs = std::filesystem;

using test::TempDirectory;
using testing::HasSubstr;

class LabelTraining : public testing::Test {
 protected:
  LabelTraining() { test::write_word_encoder(directory_ / "model"); }

  TrainOptions wanted(TrainTask task) {
    const bool numbers = task == TrainTask::kRegress;
    write_file_atomic(directory_ / "dev.tsv", test::labelled_pairs(21, numbers));
    TrainOptions options = test::label_run(directory_.path(), task);
    options.data.eval_data = directory_ / "dev.tsv";
    options.train.max_steps = 30;
    options.train.schedule.learning_rate = numbers ? 1e-3 : 5e-3;
    return options;
  }

  Score evaluate_adapter(EvalTask task) {
    LoadedModel loaded =
        load_with_adapter(directory_ / "model", directory_ / "run" / "adapter", {});
    EvalOptions what;
    what.task = std::move(task);
    what.data = directory_ / "dev.tsv";
    what.batch_size = 5;
    EvalObserver observer;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    return evaluate(loaded, &*tokenizer, what, observer);
  }

  // Nine steps on held-out labels that are the opposite of those learnt: every step, of four passes
  // over the data, makes them less likely.
  TrainOptions ever_worse() {
    TrainOptions options = wanted(TrainTask::kClassify);
    std::string opposite = "sentence1\tsentence2\tlabel\n";
    for (int i = 0; i < 10; ++i) opposite += i % 2 == 0 ? "w3\tw0 w9\tno\n" : "w3\tw1 w9\tyes\n";
    write_file_atomic(directory_ / "dev.tsv", opposite);
    options.train.schedule.shape = ScheduleShape::kConstant;
    options.train.schedule.warmup_ratio = 0;
    options.train.max_steps = 9;
    options.train.eval_every = 3;
    options.train.keep_best = KeptMetric::kLoss;
    return options;
  }

  TempDirectory directory_;
};

std::string adapter_bytes(const fs::path& adapter) {
  return read_file(adapter / "adapter_model.safetensors", 1 << 24);
}

TEST_F(LabelTraining, ClassesAreLearnedSavedAndMeasured) {
  RunObserver observer;
  const TrainOutcome outcome = run_training(wanted(TrainTask::kClassify), observer);
  EXPECT_EQ(outcome.steps, 30);
  const auto points = read_metrics(directory_ / "run" / "metrics.jsonl").points;
  ASSERT_FALSE(points.empty());
  ASSERT_TRUE(points.back().eval_accuracy);
  EXPECT_LT(*points.back().eval_loss, *points.front().loss);
  Classification task;
  task.predictions = directory_ / "predictions.jsonl";
  const Score score = evaluate_adapter(task);
  // The same documents in batches of other sizes.
  EXPECT_EQ(score.figure("accuracy"), *points.back().eval_accuracy);
  EXPECT_NEAR(score.figure("loss"), *points.back().eval_loss, 1e-5);
  EXPECT_EQ(score.figure("documents"), 21);
  EXPECT_LE(score.figure("accuracy_low"), score.figure("accuracy"));
  const std::string predictions = read_file(directory_ / "predictions.jsonl", 1 << 20);
  EXPECT_EQ(std::ranges::count(predictions, '\n'), 21);
  EXPECT_THAT(predictions, HasSubstr(R"("label": "yes")"));
}

// The tiny encoder has 64 positions. Nothing short of the last record is too long.
TEST_F(LabelTraining, DocumentsBeyondThePositionsAreRefusedBeforeAnyWork) {
  TrainOptions options = wanted(TrainTask::kClassify);
  std::string records = test::labelled_pairs(64, false) + "w1";
  for (int i = 0; i < 90; ++i) records += " w2";
  write_file_atomic(directory_ / "train.tsv", records + "\tw3\tyes\n");
  RunObserver observer;
  try {
    static_cast<void>(prepare_session(options, observer));
    FAIL() << "a document without positions was taken";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("1 of 65 documents have more tokens than the model has "
                                        "positions, 64; the longest has 95"));
    EXPECT_THAT(error.hint(), HasSubstr("--max-length 64"));
  }
  options.train.batch.max_length = 64;
  EXPECT_NO_THROW(static_cast<void>(prepare_session(options, observer)));
  LoadOptions headed;
  headed.head = NewHead{HeadTask::kDocument, 2, {"no", "yes"}};
  LoadedModel loaded = load_with_adapter(directory_ / "model", std::nullopt, headed);
  const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
  EvalObserver silent;
  EvalOptions what;
  what.data = directory_ / "train.tsv";
  what.task = Classification{};
  EXPECT_THROW(evaluate(loaded, &*tokenizer, what, silent), UsageError);
  what.limit = 64;
  EXPECT_EQ(evaluate(loaded, &*tokenizer, what, silent).figure("documents"), 64);
  // Nor does a label count that is not measured.
  write_file_atomic(directory_ / "train.tsv",
                    test::labelled_pairs(64, false) + "w1\tw3\tperhaps\n");
  EXPECT_EQ(evaluate(loaded, &*tokenizer, what, silent).figure("documents"), 64);
  what.reading.skip_bad_lines = true;
  EXPECT_THROW(evaluate(loaded, &*tokenizer, what, silent), FileError);
}

TEST_F(LabelTraining, NumbersAreLearnedSavedAndMeasured) {
  RunObserver observer;
  run_training(wanted(TrainTask::kRegress), observer);
  const auto points = read_metrics(directory_ / "run" / "metrics.jsonl").points;
  ASSERT_TRUE(points.back().eval_pearson);
  EXPECT_LT(*points.back().eval_loss, *points.front().loss);
  const Score score = evaluate_adapter(Regression{});
  EXPECT_NEAR(score.figure("pearson"), *points.back().eval_pearson, 1e-5);
  EXPECT_NEAR(score.figure("mean_squared_error"), *points.back().eval_loss, 1e-5);

  // Neither evaluation nor further training takes its head for one of classes.
  const auto refusal = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal([&] { evaluate_adapter(Classification{}); }),
              HasSubstr("has one, which gives a number"));
  TrainOptions classes = wanted(TrainTask::kClassify);
  classes.model.adapter = directory_ / "run" / "adapter";
  EXPECT_THAT(refusal([&] { static_cast<void>(prepare_session(classes, observer)); }),
              HasSubstr("has 1 output, which gives a number"));
  const NamedPath one{"one", *classes.model.adapter}, other{"other", *classes.model.adapter};
  EXPECT_THAT(refusal([&] { require_no_own_head(directory_ / "model", {one, other}); }),
              HasSubstr("brings a head of labels"));
}

TEST_F(LabelTraining, AnEvaluationTellsOfOtherNamesThanTheModels) {
  struct Said final : EvalObserver {
    void warning(const std::string& text) override { all += text; }
    std::string all;
  };
  static_cast<void>(wanted(TrainTask::kClassify));  // writes the data
  LoadOptions headed;
  headed.head = NewHead{HeadTask::kDocument, 2, {"no", "yes"}};
  LoadedModel loaded = load_with_adapter(directory_ / "model", std::nullopt, headed);
  const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
  const auto said_with = [&](const std::vector<std::string>& labels) {
    Classification task;
    task.labels = labels;
    EvalOptions what;
    what.data = directory_ / "dev.tsv";
    what.task = task;
    Said said;
    evaluate(loaded, &*tokenizer, what, said);
    return said.all;
  };
  EXPECT_EQ(said_with({"no", "yes"}), "");
  EXPECT_THAT(said_with({"yes", "no"}), HasSubstr("no -> yes, yes -> no"));
}

// The checkpoint has neither the head nor the row.
TEST_F(LabelTraining, AddedWordsTrainBesideTheHead) {
  const fs::path vocabulary = directory_ / "model" / "vocab.txt";
  write_file_atomic(vocabulary, read_file(vocabulary, 1 << 16) + "w43\n");
  TrainOptions options = wanted(TrainTask::kClassify);
  options.model.resize_embeddings = true;
  options.train.max_steps = 3;
  RunObserver observer;
  run_training(options, observer);
  const auto points = read_metrics(directory_ / "run" / "metrics.jsonl").points;
  const Score score = evaluate_adapter(Classification{});
  EXPECT_NEAR(score.figure("loss"), *points.back().eval_loss, 1e-5);
}

// AdamW's first step depends on the rate and on the sign of the gradient: with a rate of its own
// the head goes where a run at that rate brings it, and all else where the other rate does.
TEST_F(LabelTraining, TheHeadLearnsAtItsOwnRate) {
  const auto tensors = [&](double rate, std::optional<double> head_rate, const char* run) {
    TrainOptions options = wanted(TrainTask::kClassify);
    options.data.eval_data.reset();
    options.train.max_steps = 1;
    options.train.schedule.learning_rate = rate;
    options.train.schedule.head_learning_rate = head_rate;
    options.run.output = directory_ / run;
    RunObserver observer;
    const TrainOutcome outcome = run_training(options, observer);
    const SafetensorsFile file(outcome.result / "adapter_model.safetensors");
    std::map<std::string, std::vector<float>> values;
    for (const TensorInfo& info : file.tensors()) {
      const auto bytes = file.data(info);
      std::vector<float>& list = values[info.name];
      list.resize(bytes.size() / sizeof(float));
      std::memcpy(list.data(), bytes.data(), bytes.size());
    }
    return values;
  };
  const auto slow = tensors(1e-3, std::nullopt, "slow"), fast = tensors(1e-2, std::nullopt, "fast");
  const auto both = tensors(1e-3, 1e-2, "both");
  ASSERT_EQ(both.size(), slow.size());
  int heads = 0;
  for (const auto& [name, values] : both) {
    // The pooler is the encoder's own and has factors like its other layers.
    const bool head = name.find("classifier") != std::string::npos;
    heads += head ? 1 : 0;
    // The rate is a product, rounded in fp64.
    const std::vector<float>& wanted_values = (head ? fast : slow).at(name);
    EXPECT_THAT(values, testing::Pointwise(testing::FloatNear(1e-7f), wanted_values)) << name;
  }
  EXPECT_GE(heads, 2);
  EXPECT_LT(heads, static_cast<int>(both.size()));
  EXPECT_NE(slow, fast);
}

TEST_F(LabelTraining, TheResultIsTheStateOfTheBestEvaluation) {
  TrainOptions options = ever_worse();
  RunObserver observer;
  const TrainOutcome outcome = run_training(options, observer);
  ASSERT_TRUE(outcome.best.has_value());
  ASSERT_LT(outcome.best->step, 9);
  EXPECT_FALSE(fs::exists(directory_ / "run/adapter-best"));
  const RunFiles files = load_run_files(directory_ / "run");
  EXPECT_TRUE(std::ranges::any_of(files.run.facts, [&](const ReportFact& fact) {
    return fact.label == kKeptFact && fact.value == describe(*outcome.best);
  }));
  // With a constant rate a run of so many steps ends in the same bytes.
  options.train.max_steps = outcome.best->step;
  options.train.keep_best.reset();
  options.run.output = directory_ / "short";
  const TrainOutcome shorter = run_training(options, observer);
  EXPECT_EQ(adapter_bytes(outcome.result), adapter_bytes(shorter.result));
}

std::string with_labels(const std::string& pairs, const std::string& yes, const std::string& no) {
  const std::string held = replace_all(pairs, "\tyes\n", "\t?\n");
  return replace_all(replace_all(held, "\tno\n", "\t" + no + "\n"), "\t?\n", "\t" + yes + "\n");
}

// Adapters that learned opposite labels, with heads of their own.
class LabelAdapters : public LabelTraining {
 protected:
  LabelAdapters() {
    train("first", "yes", "no", 30);
    train("second", "no", "yes", 30);
  }

  void train(const std::string& run, const std::string& yes, const std::string& no, int steps) {
    TrainOptions options = wanted(TrainTask::kClassify);
    const std::string pairs = test::labelled_pairs(64, false);
    write_file_atomic(directory_ / "train.tsv", with_labels(pairs, yes, no));
    options.data.eval_data.reset();
    options.train.max_steps = steps;
    options.run.output = directory_ / run;
    RunObserver observer;
    run_training(options, observer);
  }

  fs::path adapter(const std::string& run) const { return directory_ / run / "adapter"; }
  LoadedModel alone(const std::string& run) const {
    return load_with_adapter(directory_ / "model", adapter(run), {});
  }
  LoadedModel both(const std::string& other = "second") const {
    return load_with_adapters(directory_ / "model",
                              {{"a", adapter("first"), true}, {"b", adapter(other), true}}, {});
  }

  std::vector<Json> predictions(LoadedModel loaded, const fs::path& data) const {
    Classification task;
    task.predictions = directory_ / "out.jsonl";
    fs::remove(*task.predictions);
    EvalOptions what;
    what.task = task;
    what.data = data;
    what.batch_size = 5;
    EvalObserver silent;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    evaluate(loaded, &*tokenizer, what, silent);
    const std::string written = read_file(*task.predictions, 1 << 20);
    std::vector<Json> lines;
    for (const std::string_view line : split(written, '\n')) {
      if (!line.empty()) lines.push_back(parse_json(line, "out.jsonl"));
    }
    return lines;
  }

  // The 21 pairs with their adapters; a pair without one goes through the first.
  fs::path mixed_pairs(const std::string& third = "b") const {
    const std::string pairs = test::labelled_pairs(21, false);
    std::string text;
    int row = -1;
    for (const std::string_view line : split(pairs, '\n')) {
      if (line.empty()) continue;
      const std::string name = row < 0 ? "adapter" : row % 3 == 0 ? third : "a";
      text += std::string(line) + (row == 1 ? "" : "\t" + name) + "\n";
      ++row;
    }
    write_file_atomic(directory_ / "mixed.tsv", text);
    return directory_ / "mixed.tsv";
  }
};

std::vector<double> logits_of(const Json& line) {
  return line.at("logits").get<std::vector<double>>();
}

TEST_F(LabelAdapters, EachDocumentGoesThroughTheOneItNames) {
  const std::vector<Json> first = predictions(alone("first"), directory_ / "dev.tsv");
  const std::vector<Json> second = predictions(alone("second"), directory_ / "dev.tsv");
  const std::vector<Json> mixed = predictions(both(), mixed_pairs());
  ASSERT_EQ(mixed.size(), 21U);
  ASSERT_EQ(first.size(), 21U);
  ASSERT_EQ(second.size(), 21U);
  int apart = 0;
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    SCOPED_TRACE(i);
    const Json& wanted_line = (i % 3 == 0 ? second : first)[i];
    EXPECT_EQ(mixed[i].at("predicted"), wanted_line.at("predicted"));
    EXPECT_EQ(mixed[i].at("text"), wanted_line.at("text"));
    EXPECT_EQ(mixed[i].contains("adapter"), i != 1);
    // Batches of other documents sum in another order.
    EXPECT_THAT(logits_of(mixed[i]),
                testing::Pointwise(testing::DoubleNear(1e-4), logits_of(wanted_line)));
    apart += std::abs(logits_of(first[i])[0] - logits_of(second[i])[0]) > 0.05 ? 1 : 0;
  }
  EXPECT_GT(apart, 10) << "the adapters answer alike: nothing was tested";
}

TEST_F(LabelAdapters, AnAdapterThatNoRecordNamesIsTold) {
  struct Said final : EvalObserver {
    void warning(const std::string& text) override { all += text; }
    std::string all;
  };
  const auto said_of = [&](const fs::path& data, const std::vector<std::string>& given) {
    LoadedModel loaded = both();
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    EvalOptions what;
    what.task = Classification{};
    what.data = data;
    what.given = given;
    Said said;
    evaluate(loaded, &*tokenizer, what, said);
    return said.all;
  };
  EXPECT_THAT(said_of(directory_ / "dev.tsv", {"data"}),
              HasSubstr("no record that is measured goes through b"));
  EXPECT_EQ(said_of(mixed_pairs(), {"data"}), "");
  EXPECT_EQ(said_of(directory_ / "dev.tsv", {}), "") << "of a library's session";
}

TEST_F(LabelAdapters, UnknownNamesAndOtherClassesAreRefused) {
  EXPECT_THAT(test::error_of([&] { predictions(both(), mixed_pairs("c")); }),
              testing::AllOf(HasSubstr("mixed.tsv:2"), HasSubstr("allowed are a, b")));
  train("sides", "left", "right", 1);
  EXPECT_THAT(test::error_of([&] { predictions(both("sides"), mixed_pairs()); }),
              HasSubstr("the classes of b are left, right, those of a no, yes"));
}

// Overwrites all checkpoints but the last one when the last step is done.
class Damager final : public RunObserver {
 public:
  explicit Damager(fs::path run) : run_(std::move(run)) {}
  void step(const StepReport& report, const std::optional<MeanLoss>&) override {
    if (report.step < report.total_steps) return;
    const std::string last = "step-" + std::to_string(report.step);
    for (const fs::directory_entry& each : fs::directory_iterator(run_ / "checkpoints")) {
      if (!each.is_directory() || each.path().filename() == last) continue;
      write_file_atomic(each.path() / "state.safetensors", "no tensors");
    }
  }

 private:
  fs::path run_;
};

TEST_F(LabelTraining, ADamagedBestStateIsToldWhenTheLastOneIsSaved) {
  TrainOptions options = ever_worse();
  Damager damager(directory_ / "run");
  try {
    run_training(options, damager);
    FAIL() << "no error";
  } catch (const FileError& error) {
    EXPECT_TRUE(error.path().ends_with("state.safetensors")) << error.path();
    EXPECT_THAT(error.what(), HasSubstr("run/adapter is that of the last step"));
    EXPECT_THAT(error.hint(), HasSubstr("--resume"));
  }
  EXPECT_TRUE(fs::exists(directory_ / "run/report.html"));
  options.train.keep_best.reset();
  options.train.eval_every = 0;
  options.run.output = directory_ / "plain";
  RunObserver observer;
  EXPECT_EQ(adapter_bytes(directory_ / "run/adapter"),
            adapter_bytes(run_training(options, observer).result));
}

TEST_F(LabelTraining, TheBestEvaluationNeedsOneThatMeasuresIt) {
  const auto refusal = [](const TrainOptions& options) -> std::string {
    RunObserver observer;
    try {
      run_training(options, observer);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "none";
  };
  TrainOptions options = wanted(TrainTask::kRegress);
  options.train.keep_best = KeptMetric::kAccuracy;
  EXPECT_THAT(refusal(options), HasSubstr("--task regress measures loss, pearson, spearman"));
  options.train.keep_best = KeptMetric::kPearson;
  options.data.eval_data.reset();
  EXPECT_THAT(refusal(options), HasSubstr("--keep-best goes with data to evaluate on"));
  options.train.keep_best.reset();
  options.train.eval_each_epoch = true;
  EXPECT_THAT(refusal(options), HasSubstr("--eval-each-epoch goes with data"));
}

TEST_F(LabelTraining, AKeptHeadUnderOtherNamesIsTold) {
  class Listener final : public RunObserver {
   public:
    void warning(const std::string& text) override { said += text + "\n"; }
    std::string said;
  };
  const auto said_with = [&](const std::vector<std::string>& labels, std::int64_t stored) {
    test::write_tiny_encoder(directory_ / "model", {.labels = stored});
    Json config = read_json_file(directory_ / "model" / "config.json");
    if (stored == 2) config["id2label"] = {{"0", "yes"}, {"1", "no"}};
    write_file_atomic(directory_ / "model" / "config.json", dump_json(config));
    TrainOptions options = wanted(TrainTask::kClassify);
    options.data.labels = labels;
    Listener listener;
    prepare_session(options, listener);
    return listener.said;
  };
  EXPECT_THAT(said_with({}, 2), testing::Not(HasSubstr("->")));
  EXPECT_THAT(said_with({"data"}, 2), HasSubstr("the head of 2 labels that "));
  EXPECT_THAT(said_with({"data"}, 2),
              HasSubstr("other names for its outputs: yes -> no, no -> yes"));
  EXPECT_THAT(said_with({"data"}, 3), testing::Not(HasSubstr("->"))) << "a new head";
}

TEST_F(LabelTraining, AHeadThatWasTrainedForSomethingElseIsTold) {
  class Listener final : public RunObserver {
   public:
    void warning(const std::string& text) override { said += text + "\n"; }
    std::string said;
  };
  const auto said_with = [&](const Json& changes) {
    test::write_tiny_encoder(directory_ / "model", {.labels = 2});
    Json config = read_json_file(directory_ / "model" / "config.json");
    config.update(changes);
    write_file_atomic(directory_ / "model" / "config.json", dump_json(config));
    Listener listener;
    prepare_session(wanted(TrainTask::kClassify), listener);
    return listener.said;
  };
  EXPECT_THAT(said_with(Json::object()), HasSubstr("LABEL_0 -> no, LABEL_1 -> yes"));
  EXPECT_THAT(said_with({{"problem_type", "multi_label_classification"}}),
              HasSubstr("outputs each say yes or no"));
  EXPECT_THAT(said_with({{"id2label", {{"1", "no"}, {"2", "yes"}}}}),
              HasSubstr("id2label does not name the ids 0, 1"));
  const std::string tokens =
      said_with({{"architectures", {"BertForTokenClassification"}}, {"id2label", Json::object()}});
  EXPECT_THAT(tokens, HasSubstr("is of a BertForTokenClassification"));
  EXPECT_THAT(tokens, testing::Not(HasSubstr("->")));
}

TEST(RenamedLabels, TheFirstFewAreNamed) {
  EXPECT_EQ(renamed_labels({"a", "b"}, {"a", "c"}), "b -> c");
  EXPECT_EQ(renamed_labels({}, {"a", "b"}), "");
  EXPECT_EQ(
      renamed_labels({"1", "2", "3", "4", "5", "6", "7"}, {"a", "b", "c", "d", "e", "f", "g"}),
      "1 -> a, 2 -> b, 3 -> c, 4 -> d, 5 -> e and 2 more");
}

TEST_F(LabelTraining, PairsAreNotMeasuredOnSingleTexts) {
  const TrainOptions options = wanted(TrainTask::kClassify);
  write_file_atomic(directory_ / "dev.tsv", "sentence\tlabel\nw1\tyes\n");
  RunObserver observer;
  try {
    static_cast<void>(prepare_session(options, observer));
    FAIL() << "no error";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("dev.tsv: holds single texts (sentence), "));
    EXPECT_THAT(error.what(), HasSubstr("pairs of texts (sentence1 and sentence2)"));
  }
}

TEST_F(LabelTraining, AClassThatChanceHoldsOutWholeIsNamed) {
  TrainOptions options = wanted(TrainTask::kClassify);
  std::string rare = "sentence\tlabel\n";
  for (int i = 0; i < 12; ++i) rare += i == 5 ? "w1\tyes\n" : "w2\tno\n";
  write_file_atomic(directory_ / "train.tsv", rare);
  options.data.eval_data.reset();
  options.data.eval_share = 0.9;  // one record of twelve is learnt from, so that a class has none
  RunObserver observer;
  int held_out = 0;
  for (options.train.seed = 1; options.train.seed <= 3; ++options.train.seed) {
    try {
      static_cast<void>(prepare_session(options, observer));
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr("--eval-share holds out every record of the class"));
      ++held_out;
    }
  }
  EXPECT_EQ(held_out, 3);
}

// Ids and other forms of a number are of the class that they stand for, also where records of each
// class are counted or held out.
TEST_F(LabelTraining, ASpellingOfAClassIsNoClassOfItsOwn) {
  TrainOptions options = wanted(TrainTask::kClassify);
  std::string rows = "sentence\tlabel\n";
  for (int i = 0; i < 10; ++i) {
    rows += i % 2 == 0 ? "w1\tno\nw2\t0\nw3\t0.0\n" : "w4\tyes\nw5\t1\n";
  }
  write_file_atomic(directory_ / "train.tsv", rows);
  options.data.eval_data.reset();
  options.data.labels = {"no", "yes"};
  options.data.sample = {.shots = 3, .eval_shots = 1};
  RunObserver observer;
  const TrainSession few = prepare_session(options, observer);
  EXPECT_EQ(class_counts(few.labelled->records(), *few.labelled->labels()),
            (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(few.eval_labelled->size(), 2);
  options.data.sample = {};
  options.data.eval_share = 0.5;
  for (options.train.seed = 1; options.train.seed <= 5; ++options.train.seed) {
    EXPECT_NO_THROW(static_cast<void>(prepare_session(options, observer)));
  }
  // The one that is spelled in its own way may be held out.
  write_file_atomic(directory_ / "train.tsv", rows + "w6\t1.0\n");
  for (options.train.seed = 1; options.train.seed <= 5; ++options.train.seed) {
    EXPECT_NO_THROW(static_cast<void>(prepare_session(options, observer)));
  }
}

TEST_F(LabelTraining, TheReportHasAPapersFigureBesideItsOwn) {
  TrainOptions options = wanted(TrainTask::kClassify);
  options.recipe = "svft-glue-rte-plain";
  options.train.max_steps = 2;
  RunObserver observer;
  run_training(options, observer);
  const std::string page = read_file(directory_ / "run" / "report.html", 1 << 24);
  EXPECT_THAT(page, HasSubstr("SVFT 2405.19597, Table 11"));
  EXPECT_THAT(page, HasSubstr("Paper: accuracy"));
  EXPECT_THAT(page, HasSubstr("87.24 (RTE); here "));
}

TEST_F(LabelTraining, ALabelOfTheEvaluationAloneIsAnError) {
  TrainOptions options = wanted(TrainTask::kClassify);
  write_file_atomic(directory_ / "dev.tsv", "sentence1\tsentence2\tlabel\nw1\tw2\tperhaps\n");
  RunObserver observer;
  try {
    run_training(options, observer);
    FAIL() << "no error";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("dev.tsv:2: the label \"perhaps\" is none of no, yes"));
  }
}

}  // namespace label_training_test
}  // namespace svtune
