// The data of a session, by its task.
#pragma once

#include "train/train_session.h"

namespace svtune {

// Reads what is learned and what is held out, with the prompts and the head that belong to it.
// Throws UsageError for an adapter whose head has another task, FileError for data that cannot be
// read. Requires: `images` or `tokenizer`.
void load_data(TrainSession& session, RunObserver& observer);

}  // namespace svtune
