// What trains in a session, and how it starts.
#pragma once

#include <optional>

#include "attach/attach.h"
#include "attach/target_modules.h"
#include "train/train_session.h"

namespace svtune {

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

}  // namespace svtune
