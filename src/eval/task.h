// What the tasks of an evaluation are made of.
//
// A task is a struct with kName, kSummary and fields() for its own options, and two functions
// found by overload:
//   EncodeOptions encoding_of(const Task& task);  // of the data it is measured on
//   Score run_task(const Task& task, const EvalInput& input);
// and, where they apply,
//   static constexpr bool kPrompted = true;   // its examples are prompts with answers
//   void check_model(const Task& task, const LoadedModel& loaded, const Tokenizer* tokenizer);
// which is called before the data are read; the tokenizer of a model of images is null.
// A task of labels (eval/label_tasks.h) derives from LabelTask and has labels_of() instead.
// It is one file and one name in the list of eval/tasks.h; command line, library and documents
// come from that list.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/example_store.h"
#include "infer/answer_ends.h"
#include "models/network.h"

namespace svtune {

struct Figure {
  std::string name;  // snake_case, stable: a key for programs
  double value = 0;
};

// What a task measured.
struct Score {
  std::vector<Figure> figures;  // the first is the one that models are compared by
  std::string text;             // the same in one line for people

  // Throws std::out_of_range when the task has no such figure.
  double figure(std::string_view name) const;
};

struct EvalProgress {
  std::int64_t done = 0, total = 0;
  std::string_view unit;            // what is counted: "example"
  std::optional<double> loss = {};  // mean so far
  std::string note = {};
};

class EvalObserver {
 public:
  virtual ~EvalObserver() = default;
  virtual void warning(const std::string& text) { (void)text; }
  virtual void progress(const EvalProgress& progress) { (void)progress; }
};

struct EvalInput {
  Network& net;
  const ExampleStore& data;
  std::int64_t count = 0;       // examples to measure, from the first on
  std::int64_t batch_size = 1;  // examples computed at a time
  AnswerEnds ends;              // of generated answers
  EvalObserver& observer;
  // Of each example, as Batch::adapters; empty: all go through the first one.
  std::vector<std::int32_t> adapters = {};
  // Of each adapter, where they have networks of their own; empty: `net` holds them all.
  std::vector<Network*> nets = {};
};

// "data.jsonl:12", for messages.
inline std::string place_of(const ExampleStore& data, std::int64_t example) {
  return data.records().name() + ":" + std::to_string(data.records().line(example));
}

}  // namespace svtune
