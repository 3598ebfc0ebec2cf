// The pieces of one training run, made in order: directory, model, data, adapters, state.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cli/train_options.h"
#include "peft/attach.h"
#include "train/memory.h"
#include "train/run_log.h"
#include "train/stream_source.h"

namespace svtune {

struct TrainSession {
  TrainOptions options;  // resolved
  Model model;
  // A saved adapter that training goes on from; unset: the method makes one.
  std::optional<std::filesystem::path> start_adapter;
  std::optional<Tokenizer> tokenizer;
  std::shared_ptr<const ExampleStore> data, eval_data;
  std::unique_ptr<StreamSource> batches, eval_batches;
  std::int64_t total_steps = 0;
  double base_loss = 0;  // nats per supervised token of the untouched model
};

// Loads the model and the data and measures the base model's loss. Throws UsageError,
// FileError or RunError; nothing is written.
TrainSession prepare_session(TrainOptions options);


// What the run will need, from the attached layers and the longest batch of the data.
MemoryForecast forecast_memory(const TrainSession& session, const Attached& attached);

// Tokens of one optimiser step, on average.
double tokens_per_step(const TrainSession& session);

}  // namespace svtune
