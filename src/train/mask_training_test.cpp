// A run that learns hidden words, from plain texts to the evaluation of what it saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "eval/evaluate.h"
#include "report/metrics_log.h"
#include "text/tokenizer_test_util.h"
#include "train/checkpoint.h"
#include "train/label_run_test_util.h"
#include "train/session_data.h"
#include "train/training_run.h"

namespace svtune {
namespace mask_training_test {

namespace fs = std::filesystem;

using test::TempDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

// Texts of three of the model's 43 words: which ones occur is soon learnt.
std::string texts_of_three_words(int count) {
  std::string lines;
  for (int i = 0; i < count; ++i) {
    lines += "{\"text\": \"";
    for (int k = 0; k < 8 + i % 5; ++k) lines += "w" + std::to_string((i + k * k) % 3) + " ";
    lines += "\"}\n";
  }
  return lines;
}

struct WarningList final : RunObserver {
  void warning(const std::string& text) override { list.push_back(text); }
  std::vector<std::string> list;
};

class MaskTraining : public testing::Test {
 protected:
  MaskTraining() {
    test::write_word_encoder(directory_ / "model");
    write_file_atomic(directory_ / "texts.jsonl", texts_of_three_words(24));
    write_file_atomic(directory_ / "held-out.jsonl", texts_of_three_words(9));
  }

  TrainOptions wanted() const {
    TrainOptions options;
    options.model.model = directory_ / "model";
    options.data.data = directory_ / "texts.jsonl";
    options.data.eval_data = directory_ / "held-out.jsonl";
    options.data.task = TrainTask::kMask;
    options.method = LoraConfig{};
    options.train.batch.batch_size = 8;
    options.train.batch.gradient_accumulation = 1;
    options.train.max_steps = 12;
    options.train.schedule.learning_rate = 1e-2;
    options.train.schedule.shape = ScheduleShape::kConstant;
    options.train.schedule.warmup_ratio = 0;
    options.run.output = directory_ / "run";
    return options;
  }

  Score evaluate_words(const fs::path& model, const std::optional<fs::path>& adapter) const {
    LoadedModel loaded = load_with_adapter(model, adapter, {});
    EvalOptions what;
    what.task = MaskedWords{};
    what.data = directory_ / "held-out.jsonl";
    what.batch_size = 4;
    EvalObserver observer;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    return evaluate(loaded, &*tokenizer, what, observer);
  }

  double last_loss() const {
    return read_metrics(directory_ / "run" / "metrics.jsonl").points.back().eval_loss.value();
  }

  TempDirectory directory_;
};

TEST(TrainTasks, EveryNameHasItsRules) {
  for (const auto& each : enum_names(TrainTask{})) {
    EXPECT_EQ(rules_of(each.value).task, each.value) << each.name;
  }
}

TEST_F(MaskTraining, HiddenWordsAreLearnedSavedAndMeasured) {
  TrainOptions options = wanted();
  options.train.max_steps = 150;
  options.train.schedule.learning_rate = 2e-2;
  WarningList observer;
  const TrainOutcome outcome = run_training(options, observer);
  EXPECT_EQ(outcome.steps, 150);
  EXPECT_THAT(observer.list, testing::Contains(HasSubstr("transform.dense.weight: made from")));
  const auto points = read_metrics(directory_ / "run" / "metrics.jsonl").points;
  EXPECT_LT(last_loss(), *points.front().loss);
  // The default seed of an evaluation is that of a run: the same words are hidden, in batches of
  // other sizes.
  const Score score = evaluate_words(directory_ / "model", outcome.result);
  EXPECT_NEAR(score.figure("loss"), last_loss(), 1e-5);
  // A guess among 43 words hits one in 43, one among the three that occur one in three.
  EXPECT_GT(score.figure("accuracy"), 0.2);
  EXPECT_GT(score.figure("tokens"), 8);
  const Json config = read_json_file(outcome.result / "adapter_config.json");
  EXPECT_TRUE(config.at("task_type").is_null());
  EXPECT_THAT(config.at("modules_to_save").get<std::vector<std::string>>(),
              ElementsAre(HasSubstr("LayerNorm"), HasSubstr("transform.dense")));
}

TEST_F(MaskTraining, EachTextGoesThroughTheAdapterItNames) {
  const auto train = [&](const char* run, std::uint64_t seed) {
    TrainOptions options = wanted();
    options.data.eval_data.reset();
    options.train.max_steps = 3;
    options.train.seed = seed;  // also of the head that is made
    options.run.output = directory_ / run;
    RunObserver observer;
    return run_training(options, observer).result;
  };
  const fs::path first = train("first", 1), second = train("second", 2);
  constexpr std::int64_t kOfSecond = 5;
  std::string named;
  std::int64_t row = 0;
  const std::string texts = texts_of_three_words(9);
  for (const std::string_view line : split(texts, '\n')) {
    if (line.empty()) continue;
    Json record = parse_json(line, "texts");
    if (row++ < kOfSecond) record["adapter"] = "b";
    named += dump_json(record) + "\n";
  }
  write_file_atomic(directory_ / "named.jsonl", named);
  const auto sum_of = [&](LoadedModel loaded, std::int64_t limit) {
    EvalOptions what;
    what.task = MaskedWords{};
    what.data = directory_ / "named.jsonl";
    what.batch_size = 4;
    what.limit = limit;
    EvalObserver observer;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    const Score score = evaluate(loaded, &*tokenizer, what, observer);
    return score.figure("loss") * score.figure("tokens");
  };
  const auto alone = [&](const fs::path& adapter, std::int64_t limit) {
    return sum_of(load_with_adapter(directory_ / "model", adapter, {}), limit);
  };
  const double rest_of_first = alone(first, 0) - alone(first, kOfSecond);
  const double mixed = sum_of(
      load_with_adapters(directory_ / "model", {{"a", first, true}, {"b", second, true}}, {}), 0);
  EXPECT_NEAR(mixed, alone(second, kOfSecond) + rest_of_first, 1e-3);
  EXPECT_GT(std::abs(mixed - alone(first, 0)), 0.01) << "the adapters answer alike";
}

TEST_F(MaskTraining, AWholeModelIsSavedWithItsHead) {
  TrainOptions options = wanted();
  options.method = FullConfig{};
  options.train.max_steps = 3;
  RunObserver observer;
  const TrainOutcome outcome = run_training(options, observer);
  const Json config = read_json_file(outcome.result / "config.json");
  EXPECT_EQ(config.at("architectures").at(0), "BertForMaskedLM");
  EXPECT_NEAR(evaluate_words(outcome.result, std::nullopt).figure("loss"), last_loss(), 1e-5);
}

TEST_F(MaskTraining, AHeadThatWasMadeIsNotRounded) {
  for (const bool loftq : {false, true}) {
    SCOPED_TRACE(loftq);
    TrainOptions options = wanted();
    options.model.base_dtype = QuantType::kNf4;
    LoraConfig lora;
    if (loftq) lora.init = LoraInit::kLoftq;
    options.method = lora;
    options.train.max_steps = 2;
    options.run.output = directory_ / (loftq ? "loftq" : "plain");
    RunObserver observer;
    const TrainOutcome outcome = run_training(options, observer);
    const Json config = read_json_file(outcome.result / "adapter_config.json");
    EXPECT_THAT(config.at("modules_to_save").get<std::vector<std::string>>(),
                ElementsAre(HasSubstr("LayerNorm"), HasSubstr("transform.dense")));
    const Json base = read_json_file(options.run.output / "quantized/base/config.json");
    EXPECT_EQ(base.at("quantization_config").at("llm_int8_skip_modules").size(), 2U);
  }
}

// Step 5 of 12 lies in the second of four passes over the data.
TEST_F(MaskTraining, ARunThatGoesOnGivesTheSameBytes) {
  TrainOptions options = wanted();
  options.train.save_every = 5;
  options.train.keep_checkpoints = 100;
  RunObserver observer;
  const auto weights = [&] {
    const TrainOutcome outcome = run_training(options, observer);
    return read_file(outcome.result / "adapter_model.safetensors", 1 << 24);
  };
  const std::string whole = weights();
  const CheckpointStore store(options.run.output);
  for (const std::int64_t step : store.steps()) {
    if (step > 5) fs::remove_all(store.path(step));
  }
  ASSERT_THAT(store.steps(), ElementsAre(5));
  options.run.resume = true;
  EXPECT_EQ(weights(), whole);
}

TEST_F(MaskTraining, TasksAndModelsMustAgree) {
  EXPECT_THROW(evaluate_words(directory_ / "model", std::nullopt), FileError);
  RunObserver observer;
  const TrainOutcome outcome = run_training(wanted(), observer);
  LoadedModel loaded = load_with_adapter(directory_ / "model", outcome.result, {});
  EvalOptions what;
  what.data = directory_ / "held-out.jsonl";
  EvalObserver silent;
  const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
  what.task = Perplexity{};
  EXPECT_THROW(evaluate(loaded, &*tokenizer, what, silent), UsageError);
  what.task = Classification{};
  EXPECT_THROW(evaluate(loaded, &*tokenizer, what, silent), UsageError);
  TrainOptions labels = test::label_run(directory_.path(), TrainTask::kClassify);
  labels.model.adapter = outcome.result;
  labels.run.output = directory_ / "labels";
  EXPECT_THAT(test::error_of([&] { run_training(labels, observer); }),
              HasSubstr("whose head finds hidden words"));
}

}  // namespace mask_training_test
}  // namespace svtune
