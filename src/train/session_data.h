// The data of a session, by its task, and what else a task asks of a run.
#pragma once

#include <vector>

#include "models/arch_spec.h"
#include "train/train_session.h"

namespace svtune {

// What belongs to a task beside its options, which run_options.h declares.
struct TaskRules {
  TrainTask task;
  HeadTask head;
  // Reads what is learned and what is held out, with the prompts and the head that belong to it.
  void (*load)(TrainSession& session, RunObserver& observer);
  // Throws UsageError where the loaded model has a head of another kind.
  void (*check_model)(const TrainSession& session, RunObserver& observer);
  std::vector<KeptMetric> metrics;  // beside the loss
};

// From the list of tasks. A new one is an entry there, a name in train_config.h and the unit of its
// losses in report/chart_series.cpp; a test compares the three.
const TaskRules& rules_of(TrainTask task);

// TaskRules::load of the session's task. Throws UsageError for an adapter whose head has another
// task, FileError for data that cannot be read. Requires: `images` or `tokenizer`.
void load_data(TrainSession& session, RunObserver& observer);

}  // namespace svtune
