// The data of a run that learns labels of texts or images: records, classes and the head they need.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/labelled_documents.h"
#include "io/new_head.h"
#include "text/tokenizer.h"
#include "train/image_data.h"
#include "train/run_observer.h"
#include "train/run_options.h"

namespace svtune {

struct LabelledData {
  std::shared_ptr<const LabelledDocuments> train, eval;  // eval is null without data for it
  NewHead head;
  // Names of the head that training goes on from, the adapter's or the model's; empty: not known.
  std::vector<std::string> earlier_labels = {};
};

// Reads the files that `options` name, tokenises texts or decodes images, and tells the observer
// how many records each class has. The order of the classes is that of --labels, else of the head
// of the adapter that training goes on from, else of id2label in the model's configuration where it
// names classes, else of LabelSet::of. Requires: `images` for a model that reads them, else
// `tokenizer`. Throws FileError, UsageError.
LabelledData load_labelled_data(const TrainOptions& options, const Tokenizer* tokenizer,
                                const ImagePlan* images, RunObserver& observer);

}  // namespace svtune
