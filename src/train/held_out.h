// The loss and the metrics of a run's evaluation data.
#pragma once

#include <optional>

#include "eval/label_meter.h"
#include "eval/perplexity.h"
#include "nn/adapter_set.h"
#include "train/train_session.h"

namespace svtune {

// Of all of session.eval_batches, which are rewound before and after; without gradient and dropout.
// Of documents with labels also the metrics, and `latest` gets the predictions. Requires evaluation
// data.
MeanLoss held_out_loss(TrainSession& session, const AdapterSet& adapters,
                       std::optional<LabelMeter>& latest);

}  // namespace svtune
