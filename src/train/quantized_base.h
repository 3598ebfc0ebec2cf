// Training on a base that the run quantises for itself: --base-dtype. The run keeps the base
// and, for QPiSSA and LoftQ, the adapter that starts on it in RUN/quantized, and trains on
// those files as on any quantised model.
#pragma once

#include "train/quantize_plan.h"
#include "train/train_session.h"

namespace svtune {

// Does nothing without --base-dtype. Quantises the session's model into RUN/quantized unless an
// earlier part of the run has done so, and puts the quantised model in its place unless it is
// there.
void enter_quantized_base(TrainSession& session, RunObserver& observer);

// Rounds the session's matrices plainly and in memory, for rehearsals: products take the time that
// they will take. Does nothing without --base-dtype.
void quantize_in_memory(TrainSession& session);

}  // namespace svtune
