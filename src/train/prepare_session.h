// From the options of a run to its data and model, with all that can be refused by then.
#pragma once

#include <optional>

#include "train/train_session.h"

namespace svtune {

// Reads the data and the model. `begun` is the arithmetic of a run that goes on: it computes as it
// began where --dtype asks for none, whatever would be chosen now. Throws UsageError, FileError or
// ModelError; nothing is written.
TrainSession prepare_session(TrainOptions options, RunObserver& observer,
                             std::optional<at::ScalarType> begun = std::nullopt);

}  // namespace svtune
