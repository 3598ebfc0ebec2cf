// The pieces of one training run, made in order: data and model (prepare_session.h), adapters
// (session_adapters.h).
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
  std::optional<TrainedPrompt> prompt;                  // of language, kept with the result
  std::shared_ptr<const ExampleStore> data, eval_data;  // of tasks of words
  std::shared_ptr<const LabelledDocuments> labelled, eval_labelled;  // of tasks of labels
  std::optional<NewHead> head;                                       // of all but kLanguage
  std::vector<std::string> earlier_labels;  // as LabelledData::earlier_labels
  std::unique_ptr<StreamSource> batches, eval_batches;
  std::int64_t total_steps = 0;

  const DocumentStore& documents() const { return batches->stream().store(); }
};

}  // namespace svtune
