// Training on a base that the run quantises for itself: --base-dtype. The run keeps the base
// and, for QPiSSA and LoftQ, the adapter that starts on it in RUN/quantized, and trains on
// those files as on any quantised model.
#pragma once

#include "quantized_base/quantize_model.h"
#include "train/train_session.h"

namespace svtune {

// Throws UsageError when the method cannot train on a quantised base or an option does not fit.
QuantizePlan quantize_plan(const TrainOptions& options);

// The model that a run begins or goes on with: --model, or, once a run on a base that it quantised
// has a checkpoint, that base alone. A machine that holds it need not hold the dense one.
std::filesystem::path base_to_read(const TrainOptions& options);
// The base model of a run's adapter with --base-dtype.
std::filesystem::path quantized_base_directory(const std::filesystem::path& run);

// Does nothing without --base-dtype. Quantises the session's model into RUN/quantized unless an
// earlier part of the run has done so, and puts the quantised model in its place unless it is
// there.
void enter_quantized_base(TrainSession& session, RunObserver& observer);

// Rounds the session's matrices plainly and in memory, for rehearsals: products take the time that
// they will take. Does nothing without --base-dtype.
void quantize_in_memory(TrainSession& session);

// What the frozen matrices take while training, with the buffer that a quantised base needs.
std::uint64_t frozen_matrix_bytes(const TrainSession& session);

}  // namespace svtune
