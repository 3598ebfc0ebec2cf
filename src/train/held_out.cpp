#include "train/held_out.h"

#include <cmath>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// By documents or their words, with what is measured of their labels.
MeanLoss held_out_labels(TrainSession& session, std::optional<LabelMeter>& latest) {
  const LabelledDocuments& data = *session.eval_labelled;
  const bool of_words = data.learnt_words(0) != nullptr;
  LabelMeter& meter = latest.emplace(
      data.num_classes(), of_words ? span_tags(data.labels()->names()) : std::vector<SpanTag>());
  while (const std::optional<Batch> batch = session.eval_batches->next()) {
    meter.add(*session.model.net, *batch);
  }
  return {meter.loss(), std::exp(meter.loss()), data.tokens(), meter.items(),
          meter.metrics({.resamples = 0})};
}

}  // namespace

MeanLoss held_out_loss(TrainSession& session, const AdapterSet& adapters,
                       std::optional<LabelMeter>& latest) {
  adapters.begin_micro_batch(false, 0);
  session.eval_batches->rewind();
  if (session.eval_labelled) {
    const MeanLoss mean = held_out_labels(session, latest);
    session.eval_batches->rewind();
    return mean;
  }
  LossMeter meter;
  while (const std::optional<Batch> batch = session.eval_batches->next()) {
    meter.add(*session.model.net, *batch);
  }
  session.eval_batches->rewind();
  return meter.mean();
}

}  // namespace svtune
