// The tasks `classify` and `regress`: labels of texts, pairs and images, against those of a file;
// and `tag`: classes of the words of texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "data/encode.h"
#include "data/image_options.h"
#include "data/labelled_documents.h"
#include "eval/label_metrics.h"
#include "eval/task.h"
#include "io/model.h"

namespace svtune {

struct LabelTask {
  static constexpr std::int64_t kMaxLength = 512;
  LabelledOptions reading;  // skip_bad_lines is EvalOptions'
  ImageOptions images = {};
  std::int64_t max_length = kMaxLength;
  std::int64_t bootstrap = 1000;
  std::int64_t seed = 0;
  std::optional<std::filesystem::path> predictions = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("Labels", self.reading);
    visit.group("Images", self.images);
    visit_max_length(self.max_length, visit);
    visit(self.bootstrap, {.name = "bootstrap",
                           .help = "Resamples of the documents for 95 % intervals; 0 = none",
                           .min = 0,
                           .max = 1000000});
    visit(self.seed, {.name = "seed", .help = "Of the resamples", .min = 0});
    visit(self.predictions, {.name = "predictions",
                             .help = "Write the prediction for every document here",
                             .value_name = "FILE",
                             .path = PathHint::kFile});
  }
};

struct Classification : LabelTask {
  static constexpr std::string_view kName = "classify";
  static constexpr std::string_view kSummary =
      "classes of texts or images: accuracy, F1, Matthews's correlation";
  std::vector<std::string> labels = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    LabelTask::fields(self, visit);
    visit(self.labels, {.name = "labels",
                        .help = "Classes in the order of the model's outputs; by default it names "
                                "them itself",
                        .value_name = "NAME,..."});
  }
};

struct Regression : LabelTask {
  static constexpr std::string_view kName = "regress";
  static constexpr std::string_view kSummary =
      "numbers of texts or images: Pearson's and Spearman's "
      "correlation, mean squared error";
};

struct Tagging : Classification {
  static constexpr std::string_view kName = "tag";
  static constexpr std::string_view kSummary =
      "classes of the words of texts: F1 of spans, precision, recall, accuracy";
};

// The classes of a model's head: the task's names where there are some, else id2label of its
// configuration, else "0", "1" and so on. Throws UsageError when their number is not that of the
// head's outputs, when the head gives one number, or labels of words where the task has those of
// documents or the other way round; FileError for an id2label with the same name twice. Numbers
// have none.
std::optional<LabelSet> labels_of(const Classification& task, const Model& model);
std::optional<LabelSet> labels_of(const Tagging& task, const Model& model);
std::optional<LabelSet> labels_of(const Regression& task, const Model& model);

struct LabelInput {
  std::vector<Network*> nets;  // one, or one of each adapter
  const LabelledDocuments& data;
  std::int64_t count = 0;       // documents to measure, from the first on
  std::int64_t batch_size = 1;  // documents computed at a time
  EvalObserver& observer;
  std::vector<std::int32_t> adapters = {};  // of each document, in `nets`; empty: the first
};

// Figures: each metric with NAME_low and NAME_high of its interval, loss, documents, and words
// where these have the classes. Throws ModelError when the model has no such head.
Score run_label_task(const LabelTask& task, const LabelInput& input);

}  // namespace svtune
