// Checkpoints and the run directory: a run that goes on from a checkpoint gives the same bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "report/metrics_log.h"
#include "train/run_log.h"
#include "train/train_test_util.h"

namespace svtune {
namespace resume_test {

namespace fs = std::filesystem;
using test::CyclicSource;
using test::lora_rig;
using test::random_documents;
using test::Rig;
using test::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int64_t kTotal = 10;

TrainConfig config_of_run() {
  TrainConfig config;
  config.batch.gradient_accumulation = 2;
  config.schedule.learning_rate = 1e-2;
  config.optimizer.weight_decay = 0.1;
  return config;
}

// With dropout at every place of a decoder and of whole branches, beside that of the adapters.
ArchSpec spec_with_dropout() {
  ArchSpec spec = test::tiny_spec();
  spec.dropout = {.embedding = 0.1,
                  .attention_weights = 0.1,
                  .attention_output = 0.1,
                  .feed_forward_output = 0.1,
                  .branches = 0.1};
  return spec;
}

// Everything a process makes anew: model, adapters, data, optimiser.
struct Session {
  Rig rig = lora_rig(at::kBFloat16, 0.2, spec_with_dropout());
  CyclicSource source{random_documents(24, 3), 2};
  TrainConfig config = config_of_run();
  TrainState state{rig.adapters, source, config.optimizer};

  TrainResult run(RunLog& log) { return train(*rig.net, state, config, kTotal, log); }
};

RunLogOptions options_for(const fs::path& directory, std::int64_t save_every) {
  RunLogOptions options;
  options.directory = directory;
  options.total_steps = kTotal;
  options.save_every = save_every;
  options.keep_checkpoints = 100;
  return options;
}

std::string bytes_of(const fs::path& file) { return read_file(file, 1 << 28); }

std::string final_state(const fs::path& run) {
  return bytes_of(run / "checkpoints/step-10/state.safetensors");
}

// The final state of a run that nothing disturbs; checkpoints at 2, 4, ..., 10.
std::string undisturbed(const fs::path& run) {
  Session session;
  RunLog log(options_for(run, 2));
  session.run(log);
  return final_state(run);
}

// Starts a new session on `run` and finishes it; returns what restore_latest said.
CheckpointStore::Restored finish(const fs::path& run) {
  Session session;
  CheckpointStore store(run);
  const std::optional<CheckpointStore::Restored> restored = store.restore_latest(session.state);
  EXPECT_TRUE(restored.has_value());
  RunLog log(options_for(run, 2), restored);
  session.run(log);
  return *restored;
}

// Cuts a finished run back to its first `step` steps, as a kill would leave it.
void forget_after(const fs::path& run, std::int64_t step) {
  const CheckpointStore store(run);
  for (const std::int64_t each : store.steps()) {
    if (each > step) fs::remove_all(store.path(each));
  }
}

TEST(Resume, GivesTheSameBytesFromEveryCheckpoint) {
  const TempDirectory directory;
  const std::string wanted = undisturbed(directory.path());
  for (const std::int64_t step : {8, 4, 2}) {
    forget_after(directory.path(), step);
    EXPECT_EQ(finish(directory.path()).step, step);
    EXPECT_TRUE(final_state(directory.path()) == wanted) << "resumed from step " << step;
  }
}

TEST(Resume, StopFlagSavesAndTheRestGivesTheSameBytes) {
  const TempDirectory whole, parts;
  const std::string wanted = undisturbed(whole.path());
  std::atomic<bool> stop{false};
  {
    Session session;
    RunLogOptions options = options_for(parts.path(), 0);
    options.stop = &stop;
    options.on_step = [&](const StepReport& report, const std::optional<MeanLoss>&) {
      stop = report.step == 3;
    };
    RunLog log(std::move(options));
    const TrainResult result = session.run(log);
    EXPECT_TRUE(result.stopped);
    EXPECT_THAT(log.checkpoints().steps(), ElementsAre(3));
  }
  EXPECT_EQ(finish(parts.path()).step, 3);
  EXPECT_TRUE(final_state(parts.path()) == wanted);
}

// Data whose row number `bad` cannot be read, the first time it is asked for.
class FailingSource final : public BatchSource {
 public:
  FailingSource(BatchSource& inner, std::int64_t bad) : inner_(inner), bad_(bad) {}

  std::optional<Batch> next() override {
    if (inner_.position().at("given") == bad_) throw FileError("data.jsonl:7", "is refused");
    return inner_.next();
  }
  void rewind() override { inner_.rewind(); }
  double epoch() const override { return inner_.epoch(); }
  Json position() const override { return inner_.position(); }
  void seek(const Json& position) override { inner_.seek(position); }

 private:
  BatchSource& inner_;
  std::int64_t bad_;
};

TEST(Resume, AnErrorInAStepKeepsTheStepBefore) {
  const TempDirectory whole, parts;
  const std::string wanted = undisturbed(whole.path());
  std::vector<std::int64_t> rescued;
  {
    // Micro-batch 9 is the second one of step 5.
    Session session;
    FailingSource failing(session.source, 9);
    TrainState state(session.rig.adapters, failing, session.config.optimizer);
    RunLogOptions options = options_for(parts.path(), 0);
    options.on_rescue = [&](std::int64_t step) { rescued.push_back(step); };
    RunLog log(std::move(options));
    EXPECT_THROW(train(*session.rig.net, state, session.config, kTotal, log), FileError);
    EXPECT_THAT(log.checkpoints().steps(), ElementsAre(4));
  }
  EXPECT_THAT(rescued, ElementsAre(4));
  EXPECT_EQ(finish(parts.path()).step, 4);
  EXPECT_TRUE(final_state(parts.path()) == wanted);
}

// Evaluates at 4, 6 (where a pass over the data ends), 8 and 10; what it gives follows from the
// parameters. At step `fails` it fails.
RunLogOptions measured_options(const fs::path& run, Session& session, std::int64_t fails) {
  RunLogOptions options = options_for(run, 0);
  options.eval_every = 4;
  options.eval_each_epoch = true;
  options.epochs_done = session.source.epoch();
  options.evaluate = [&session, fails] {
    if (session.state.step == fails) throw FileError("held-out.jsonl:3", "is refused");
    MeanLoss result;
    result.loss = session.rig.adapters.trainables()[0].tensor.detach().abs().sum().item<double>();
    return result;
  };
  return options;
}

TEST(Resume, AnEvaluationThatFailedIsMadeAgain) {
  const TempDirectory whole;
  std::optional<BestEval> best;
  {
    Session session;
    RunLog log(measured_options(whole.path(), session, 0));
    session.run(log);
    best = log.best();
  }
  const MetricsFile wanted = read_metrics(whole / "metrics.jsonl");
  for (const std::int64_t fails : {4, 6, 10}) {
    const TempDirectory parts;
    {
      Session session;
      RunLog log(measured_options(parts.path(), session, fails));
      EXPECT_THROW(session.run(log), FileError);
      EXPECT_EQ(log.checkpoints().steps().back(), fails);
    }
    // As of a run that was killed behind the line, while its checkpoint still lacked it.
    std::ofstream(parts / "metrics.jsonl", std::ios::app)
        << "{\"step\": " << fails << ", \"eval_accuracy\": 1}\n";
    Session session;
    const auto restored = CheckpointStore(parts.path()).restore_latest(session.state);
    ASSERT_TRUE(restored.has_value());
    RunLog log(measured_options(parts.path(), session, 0), restored);
    session.run(log);
    EXPECT_EQ(log.best()->step, best->step) << "failed at " << fails;
    EXPECT_TRUE(final_state(parts.path()) == final_state(whole.path())) << "failed at " << fails;
    const MetricsFile got = read_metrics(parts / "metrics.jsonl");
    ASSERT_THAT(got.points, SizeIs(10)) << "failed at " << fails;
    for (std::size_t i = 0; i < 10; ++i) {
      EXPECT_EQ(got.points[i].step, wanted.points[i].step);
      EXPECT_FALSE(got.points[i].eval_accuracy.has_value()) << "failed at " << fails;
      for (const auto member :
           {&MetricPoint::loss, &MetricPoint::eval_loss, &MetricPoint::grad_norm,
            &MetricPoint::learning_rate, &MetricPoint::tokens, &MetricPoint::epoch}) {
        EXPECT_EQ(got.points[i].*member, wanted.points[i].*member) << "failed at " << fails;
      }
    }
  }
}

TEST(Resume, KillDuringACheckpointLeavesTheOneBefore) {
  const TempDirectory directory;
  const fs::path& run = directory.path();
  const fs::path checkpoints = run / "checkpoints";
  const std::string wanted = undisturbed(run);
  forget_after(run, 4);
  // What a kill can leave: a half-filled staging folder, and a folder without its marker.
  const fs::path staging = checkpoints / ".step-6.svtune-tmp-4194305-0";
  fs::create_directory(staging);
  std::ofstream(staging / "state.safetensors") << wanted.substr(0, wanted.size() / 2);
  fs::copy(checkpoints / "step-4", checkpoints / "step-8");
  fs::remove(checkpoints / "step-8/COMPLETE");
  const CheckpointStore::Restored restored = finish(run);
  EXPECT_EQ(restored.step, 4);
  EXPECT_THAT(restored.warnings, SizeIs(0));
  EXPECT_FALSE(fs::exists(staging));
  EXPECT_TRUE(final_state(run) == wanted);
}

TEST(Resume, DamagedCheckpointIsPassedOverWithAWarning) {
  const TempDirectory directory;
  const fs::path& run = directory.path();
  const std::string wanted = undisturbed(run);
  forget_after(run, 8);
  const fs::path damaged = run / "checkpoints/step-8/state.safetensors";
  std::string bytes = bytes_of(damaged);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(damaged, std::ios::binary) << bytes;
  fs::resize_file(run / "checkpoints/step-6/state.safetensors", 100);
  const CheckpointStore::Restored restored = finish(run);
  EXPECT_EQ(restored.step, 4);
  ASSERT_THAT(restored.warnings, SizeIs(2));
  EXPECT_THAT(restored.warnings[0], HasSubstr("step-8/state.safetensors"));
  EXPECT_TRUE(final_state(run) == wanted);
}

TEST(Resume, DamagedLatestCheckpointCostsOnlyItself) {
  const TempDirectory directory;
  const fs::path& run = directory.path();
  const std::string wanted = undisturbed(run);
  std::ofstream(run / "checkpoints/step-10/state.json", std::ios::app) << "x";
  forget_after(run, 10);
  for (const std::int64_t step : {6, 8})
    fs::remove_all(run / "checkpoints" / ("step-" + std::to_string(step)));
  // One checkpoint is kept, and those of 6, 8 and 10 come in the place of the damaged one.
  Session session;
  CheckpointStore store(run);
  const auto restored = store.restore_latest(session.state);
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->step, 4);
  // The run may still be refused; what goes on is settled by its log.
  EXPECT_TRUE(fs::exists(run / "checkpoints/step-10/state.json"));
  RunLogOptions options = options_for(run, 2);
  options.keep_checkpoints = 1;
  std::vector<std::int64_t> kept;
  options.on_step = [&](const StepReport& report, const std::optional<MeanLoss>&) {
    if (report.step % 2 == 0) kept.push_back(CheckpointStore(run).steps().back());
  };
  RunLog log(std::move(options), restored);
  EXPECT_TRUE(fs::exists(run / "checkpoints/damaged-step-10/state.json"));
  session.run(log);
  EXPECT_THAT(kept, ElementsAre(6, 8, 10));
  EXPECT_TRUE(final_state(run) == wanted);
}

TEST(Resume, ACheckpointUnderAnothersNameIsDamaged) {
  const TempDirectory directory;
  const fs::path& run = directory.path();
  const std::string wanted = undisturbed(run);
  forget_after(run, 6);
  fs::copy(run / "checkpoints/step-2", run / "checkpoints/step-8");
  fs::copy(run / "checkpoints/step-2", run / "checkpoints/step-09");
  const CheckpointStore::Restored restored = finish(run);
  EXPECT_EQ(restored.step, 6);
  ASSERT_THAT(restored.warnings, SizeIs(1));
  EXPECT_THAT(restored.warnings[0], HasSubstr("step-8/state.json: is the state of step 2"));
  EXPECT_TRUE(final_state(run) == wanted);
}

TEST(Resume, PruningNeverTakesTheCheckpointJustWritten) {
  const TempDirectory directory;
  Session session;
  CheckpointStore store(directory.path());
  for (const std::int64_t step : {3, 5, 7, 64}) {
    session.state.step = step;
    store.save(session.state, std::nullopt);
  }
  store.prune(7, 2, std::nullopt);
  EXPECT_THAT(store.steps(), ElementsAre(5, 7));
  store.prune(5, 1, 7);
  EXPECT_THAT(store.steps(), ElementsAre(5, 7)) << "the best one stays";
}

TEST(Resume, AllDamagedIsAnErrorAndNoneIsAFreshStart) {
  const TempDirectory directory;
  Session session;
  CheckpointStore store(directory.path());
  EXPECT_FALSE(store.restore_latest(session.state).has_value());
  store.save(session.state, std::nullopt);
  std::ofstream(store.path(0) / "state.json") << "{}";
  EXPECT_THROW(store.restore_latest(session.state), FileError);
}

TEST(Resume, AnotherRankIsRefusedNamingTensors) {
  const TempDirectory directory;
  undisturbed(directory.path());
  Rig rig = lora_rig(at::kFloat);
  rig.adapters.layers.resize(3);
  for (Linear* layer : rig.adapters.layers) {
    layer->detach();
    LoraConfig config;
    config.low_rank.rank = 5;
    layer->attach(make_adapter(config, {layer->name(), layer->base(), 1}).adapter);
  }
  CyclicSource source(random_documents(4, 3), 2);
  TrainState state(rig.adapters, source, {});
  try {
    CheckpointStore(directory.path()).restore_latest(state);
    FAIL() << "a checkpoint of rank 4 was read into rank 5";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("q_proj.lora_A.weight is F32 [4, 32], need F32 [5, 32]"));
  }
  EXPECT_EQ(state.step, 0);
}

TEST(Resume, MetricsGoOnWhereTheCheckpointStands) {
  const TempDirectory directory;
  undisturbed(directory.path());
  const MetricsFile whole = read_metrics(directory / "metrics.jsonl");
  ASSERT_THAT(whole.points, SizeIs(10));
  forget_after(directory.path(), 4);
  finish(directory.path());
  const MetricsFile resumed = read_metrics(directory / "metrics.jsonl");
  ASSERT_THAT(resumed.points, SizeIs(10));
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(resumed.points[i].step, whole.points[i].step);
    EXPECT_EQ(resumed.points[i].loss, whole.points[i].loss);
    EXPECT_EQ(resumed.points[i].grad_norm, whole.points[i].grad_norm);
    EXPECT_EQ(resumed.points[i].tokens, whole.points[i].tokens);
  }
}

TEST(RunLog, SavesWhenTheLastCheckpointIsOld) {
  const TempDirectory directory;
  Session session;
  double time = 1000;
  RunLogOptions options = options_for(directory.path(), 0);
  options.save_seconds = 600;
  options.now = [&time] { return time; };
  options.on_step = [&time](const StepReport&, const std::optional<MeanLoss>&) { time += 250; };
  RunLog log(std::move(options));
  session.run(log);
  // Steps end at 1000, 1250, ...; a checkpoint is due 600 seconds after the last.
  EXPECT_THAT(log.checkpoints().steps(), ElementsAre(4, 7, 10));
}

// An evaluation that is best at step 4.
RunLogOptions evaluated_options(const fs::path& directory, int& evaluations) {
  RunLogOptions options = options_for(directory, 2);
  options.eval_every = 2;
  options.keep_checkpoints = 1;
  options.evaluate = [&evaluations] {
    ++evaluations;
    MeanLoss result;
    result.loss = std::abs(2 * evaluations - 4) + 1.0;
    return result;
  };
  return options;
}

TEST(RunLog, KeepsTheLastAndTheBestCheckpoint) {
  const TempDirectory directory;
  int evaluations = 0;
  Session session;
  RunLog log(evaluated_options(directory.path(), evaluations));
  session.run(log);
  EXPECT_EQ(evaluations, 5);
  ASSERT_TRUE(log.best().has_value());
  EXPECT_EQ(log.best()->step, 4);
  EXPECT_EQ(log.best()->loss, 1.0);
  EXPECT_THAT(log.checkpoints().steps(), ElementsAre(4, 10));
  const MetricsFile metrics = read_metrics(directory / "metrics.jsonl");
  EXPECT_EQ(metrics.points[3].eval_loss, 1.0);
  EXPECT_FALSE(metrics.points[4].eval_loss.has_value());

  // The best is known again after a resume, and can be loaded into bare adapters.
  Session later;
  const auto restored = CheckpointStore(directory.path()).restore_latest(later.state);
  ASSERT_TRUE(restored && restored->best);
  EXPECT_EQ(restored->best->step, 4);
  const at::Tensor last = later.rig.adapters.trainables()[0].tensor.detach().clone();
  log.checkpoints().load_adapters(4, later.rig.adapters);
  EXPECT_FALSE(at::equal(later.rig.adapters.trainables()[0].tensor, last));
}

TEST(RunLog, BestLossOnOtherDataDoesNotCount) {
  const TempDirectory directory;
  int evaluations = 0;
  Session session;
  RunLogOptions options = evaluated_options(directory.path(), evaluations);
  options.eval_data = "first";
  RunLog log(options);
  session.run(log);
  Session later;
  const auto restored = CheckpointStore(directory.path()).restore_latest(later.state);
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(RunLog(options, restored).best()->step, 4);
  options.eval_data = "second";
  EXPECT_FALSE(RunLog(options, restored).best().has_value());
}

// Accuracy is highest at step 6, where the loss is not lowest.
TEST(RunLog, BestIsToldByTheMetricThatWasAskedFor) {
  const TempDirectory directory;
  int evaluations = 0;
  Session session;
  RunLogOptions options = evaluated_options(directory.path(), evaluations);
  options.best_by = "accuracy";
  options.evaluate = [&evaluations, loss = options.evaluate] {
    MeanLoss result = loss();
    result.metrics = {{"f1", 1.0 / evaluations}, {"accuracy", evaluations == 3 ? 0.9 : 0.5}};
    return result;
  };
  RunLog log(options);
  session.run(log);
  ASSERT_TRUE(log.best().has_value());
  EXPECT_EQ(log.best()->step, 6);
  EXPECT_EQ(log.best()->value, 0.9);
  EXPECT_EQ(log.best()->loss, 3.0);
  EXPECT_THAT(log.checkpoints().steps(), ElementsAre(6, 10));
  Session later;
  const auto restored = CheckpointStore(directory.path()).restore_latest(later.state);
  ASSERT_TRUE(restored.has_value());
  ASSERT_TRUE(RunLog(options, restored).best().has_value());
  EXPECT_EQ(describe(*RunLog(options, restored).best()), "accuracy 0.9000 at step 6");
  options.best_by = "f1";
  EXPECT_FALSE(RunLog(options, restored).best().has_value());
}

// A pass takes six steps; a resumed run knows how many have ended.
TEST(RunLog, EvaluatesAfterEachPassOverTheDataAlsoAfterAResume) {
  const TempDirectory directory;
  const auto evaluated_steps = [&](RunLogOptions options, Session& session,
                                   const std::optional<CheckpointStore::Restored>& restored) {
    std::vector<std::int64_t> steps;
    options.eval_each_epoch = true;
    options.epochs_done = session.source.epoch();
    options.evaluate = [] { return MeanLoss{.loss = 1, .perplexity = std::exp(1.0)}; };
    options.on_step = [&steps](const StepReport& report, const std::optional<MeanLoss>& eval) {
      if (eval) steps.push_back(report.step);
    };
    RunLog log(options, restored);
    session.run(log);
    return steps;
  };
  Session whole;
  EXPECT_THAT(evaluated_steps(options_for(directory.path(), 2), whole, std::nullopt),
              ElementsAre(6, 10));
  for (const std::int64_t begin : {4, 8}) {
    const TempDirectory copy;
    fs::copy(directory.path(), copy.path(), fs::copy_options::recursive);
    forget_after(copy.path(), begin);
    Session later;
    const auto restored = CheckpointStore(copy.path()).restore_latest(later.state);
    const auto steps = evaluated_steps(options_for(copy.path(), 2), later, restored);
    EXPECT_EQ(steps,
              begin == 4 ? std::vector<std::int64_t>({6, 10}) : std::vector<std::int64_t>({10}));
  }
}

constexpr char kReadEvents[] = R"(
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)]
                  for tag in events.Tags()["scalars"]}))
)";

TEST(RunLog, TensorBoardReadsWhatMetricsSayAlsoAfterAResume) {
  const std::string python = test::oracle_python("tensorboard");
  if (python.empty()) GTEST_SKIP() << "no Python with tensorboard";
  const TempDirectory directory;
  undisturbed(directory.path());
  forget_after(directory.path(), 4);
  finish(directory.path());
  const std::string output = test::run_oracle(python, kReadEvents, {directory.path().string()});
  const Json events = parse_json(output, "tensorboard");
  const MetricsFile metrics = read_metrics(directory / "metrics.jsonl");
  const Json& losses = events["train/loss"];
  ASSERT_EQ(losses.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(losses[i][0].get<std::int64_t>(), metrics.points[i].step);
    EXPECT_FLOAT_EQ(losses[i][1].get<float>(), static_cast<float>(*metrics.points[i].loss));
  }
}

}  // namespace resume_test
}  // namespace svtune
