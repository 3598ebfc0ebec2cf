// The pieces of one training run, made in order: data, model, adapters.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attach/attach.h"
#include "data/example_store.h"
#include "data/labelled_documents.h"
#include "data/trained_prompt.h"
#include "text/tokenizer.h"
#include "train/image_data.h"
#include "train/memory.h"
#include "train/run_observer.h"
#include "train/run_options.h"
#include "train/stream_source.h"

namespace svtune {

struct TrainSession {
  TrainOptions options;  // resolved
  Model model;
  // A saved adapter that training goes on from; unset: the method makes one.
  std::optional<std::filesystem::path> start_adapter;
  std::optional<ImagePlan> images;                      // of a model that reads images
  std::optional<Tokenizer> tokenizer;                   // of the others
  std::optional<TrainedPrompt> prompt;                  // as it will be kept with the result
  std::shared_ptr<const ExampleStore> data, eval_data;  // of tasks of words
  std::shared_ptr<const LabelledDocuments> labelled, eval_labelled;  // of tasks of labels
  std::optional<NewHead> head;                                       // of all but kLanguage
  std::vector<std::string> earlier_labels;  // as LabelledData::earlier_labels
  std::unique_ptr<StreamSource> batches, eval_batches;
  std::int64_t total_steps = 0;

  const DocumentStore& documents() const { return batches->stream().store(); }
};

// Reads the data and the model. `begun` is the arithmetic of a run that goes on: it computes as it
// began where --dtype asks for none, whatever would be chosen now. Throws UsageError, FileError or
// ModelError; nothing is written.
TrainSession prepare_session(TrainOptions options, RunObserver& observer,
                             std::optional<at::ScalarType> begun = std::nullopt);

// What trains. Without target options full fine-tuning trains everything; else all linear layers
// are meant where none is named. Rows that were added to the embedding train as well.
TargetOptions resolved_targets(const TrainSession& session);
// The same; throws UsageError for one that matches nothing (attach/target_check.h).
TargetOptions checked_targets(const TrainSession& session);

// The session's adapters: of `start_adapter` where there is one, else made by the method, with
// shapes only when `initialise` is false. A start that is found on data is found here, on the first
// micro-batches; of a run that goes on `begun` says what was found.
Attached attach_adapters(TrainSession& session, bool initialise, RunObserver& observer,
                         const std::optional<AdapterRecord>& begun = std::nullopt);

// Lets the system drop the pages of mapped weights that no product reads any more: what an adapter
// holds, or codes in int8, stand for them. They are read again where they are asked for.
void release_unread_weights(const TrainSession& session);

// What decides the need of the run with these adapters on its network, or on one with the same
// shapes: the longest batch of the data, the weights, what is computed again.
MemoryRequest memory_request(const TrainSession& session, Network& net, const AdapterSet& adapters);
// What the run will need, from the attached layers and the longest batch of the data.
MemoryForecast forecast_memory(const TrainSession& session, const Attached& attached);

// Tokens of one optimiser step, on average.
double tokens_per_step(const TrainSession& session);

}  // namespace svtune
