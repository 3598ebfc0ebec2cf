// Classes of words beside transformers and PEFT: adapters of task TOKEN_CLS are measured, trained
// further, merged and given back, with words split by each kind of tokenizer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "adapter_files/loaded_model.h"
#include "base/files.h"
#include "base/json.h"
#include "base/oracle_test_util.h"
#include "base/text_util.h"
#include "eval/evaluate.h"
#include "merge/merge.h"
#include "train/training_run.h"

namespace svtune {
namespace tag_parity_test {

namespace fs = std::filesystem;

using test::TempDirectory;

// Means over some 250 words of log-probabilities in fp32, two summation orders.
constexpr double kTolerance = 2e-5;

inline constexpr char kScript[] = "tag_models.py";

class TagParity : public test::OracleModels<kScript> {
 protected:
  // Figures, with predictions as transformers' answers have them.
  Json measured(const fs::path& model, const std::optional<fs::path>& adapter,
                const fs::path& data) const {
    LoadedModel loaded = load_with_adapter(model, adapter, {});
    EvalOptions what;
    Tagging task;
    task.predictions = out_ / "predictions.jsonl";
    what.task = task;
    what.data = data;
    what.batch_size = 7;
    EvalObserver observer;
    const std::optional<Tokenizer> tokenizer = tokenizer_for(loaded);
    const Score score = evaluate(loaded, &*tokenizer, what, observer);
    Json predicted = Json::array();
    const std::string lines = read_file(out_ / "predictions.jsonl", 1 << 22);
    for (const std::string_view line : split(lines, '\n')) {
      if (!line.empty()) predicted.push_back(parse_json(line, "predictions").at("predicted"));
    }
    return {{"predicted", predicted},
            {"loss", score.figure("loss")},
            {"words", static_cast<std::int64_t>(score.figure("words"))}};
  }

  static void expect_same(const Json& got, const Json& wanted) {
    EXPECT_EQ(got.at("predicted"), wanted.at("predicted"));
    EXPECT_EQ(got.at("words"), wanted.at("words"));
    EXPECT_NEAR(got.at("loss").get<double>(), wanted.at("loss").get<double>(), kTolerance);
  }

  static Json answers(const fs::path& model, const std::string& adapter) {
    const std::string text =
        oracle("answers " + test::shell_quote(model.string()) + " " + test::shell_quote(adapter));
    return parse_json(text, "oracle");
  }

  TempDirectory out_;
};

TEST_F(TagParity, AdaptersOfPeftAreMeasuredTrainedMergedAndGivenBack) {
  for (const char* family : {"bert", "roberta", "xlm-roberta"}) {
    SCOPED_TRACE(family);
    const fs::path model = models() / family, adapter = model / "adapter";
    const fs::path data = model / "texts.jsonl";
    const Json start = read_json_file(model / "answers.json");
    const Json got = measured(model, adapter, data);
    expect_same(got, start);
    EXPECT_GT(got.at("words").get<std::int64_t>(), 100);

    LoadedModel loaded = load_with_adapter(model, adapter, {});
    const fs::path merged = out_ / (std::string(family) + "-merged");
    merge_to_directory(loaded.model, loaded.adapter->adapters, merged);
    expect_same(measured(merged, std::nullopt, data), start);
    fs::copy_file(data, merged / "texts.jsonl");
    expect_same(answers(merged, "-"), start);

    TrainOptions options;
    options.model.model = model;
    options.model.adapter = adapter;
    options.data.data = data;
    options.data.task = TrainTask::kTag;
    options.train.batch.gradient_accumulation = 1;
    options.train.batch.batch_size = 8;
    options.train.max_steps = 10;
    options.train.schedule.learning_rate = 5e-3;
    options.run.output = out_ / (std::string(family) + "-run");
    RunObserver observer;
    const TrainOutcome outcome = run_training(options, observer);
    const Json further = measured(model, outcome.result, data);
    EXPECT_LT(further.at("loss").get<double>(), start.at("loss").get<double>() - 0.05);
    expect_same(answers(model, outcome.result.string()), further);
  }
}

}  // namespace tag_parity_test
}  // namespace svtune
