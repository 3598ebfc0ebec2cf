#include "train/session_memory.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "libtorch/prelude.h"
#include "train/quantize_plan.h"

namespace svtune {
namespace {

// Mapped weights that products of the adapted model do not read.
std::vector<const Linear*> unread_weights(const TrainSession& session, Network& net) {
  std::vector<const Linear*> unread;
  if (session.options.model.base_dtype) return unread;
  const auto tokens = static_cast<std::int64_t>(session.batches->stream().tokens_per_batch());
  const bool all = session.options.model.base_compute != BaseCompute::kExact;
  for (const Linear* layer : net.linears()) {
    const BaseWeight& base = layer->base();
    if (!base.defined() || base.quantized()) continue;
    // Others are copies of what is stored.
    const auto stored = session.model.weights->dtype(layer->name() + ".weight");
    if (stored != base.stored().scalar_type()) continue;
    const bool replaced = layer->adapter() && !layer->adapter()->memory(tokens).reads_base;
    const bool in_int8 = all && layer != &net.head();
    if (replaced || in_int8) unread.push_back(layer);
  }
  return unread;
}

std::uint64_t base_bytes(const TrainSession& session, Network& net) {
  return frozen_matrix_bytes(net, session.options, dense_modules(session.model)) + input_bytes(net);
}

}  // namespace

void release_unread_weights(const TrainSession& session) {
  for (const Linear* layer : unread_weights(session, *session.model.net)) {
    session.model.weights->release(layer->name() + ".weight");
  }
}

MemoryRequest memory_request(const TrainSession& session, Network& net,
                             const AdapterSet& adapters) {
  // Images are all of one length, and would be decoded for nothing.
  const std::int64_t looked_at = session.images ? 1 : 512;
  const TrainConfig& config = session.options.train;
  const BatchExtent extent = survey(session.batches->stream(), config.batch.packing, looked_at);
  MemoryRequest request;
  request.weight_bytes = base_bytes(session, net);
  for (const Linear* layer : unread_weights(session, net)) {
    request.weight_bytes -= static_cast<std::uint64_t>(layer->base().nbytes());
  }
  request.batch_tokens = extent.tokens;
  request.supervised_tokens = extent.supervised;
  request.longest_document = extent.longest_document;
  request.recompute = config.activations.plan();
  request.dropout = chosen_dropout(config.model_dropout, net.spec().dropout);
  add_adapters(request, net, adapters);
  return request;
}

MemoryForecast forecast_calibration(TrainSession& session, const MethodConfig& method,
                                    const TargetOptions& targets, std::span<const Batch> batches,
                                    const RecomputePlan& recompute, std::int64_t memory_bytes) {
  MemoryRequest request;
  request.weight_bytes = base_bytes(session, *session.model.net);
  request.recompute = recompute;
  for (const Batch& batch : batches) {
    request.batch_tokens = std::max(request.batch_tokens, batch.num_tokens());
    request.supervised_tokens = std::max(request.supervised_tokens, batch.num_supervised());
    for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
      const std::int64_t length = batch.offsets[i + 1] - batch.offsets[i];
      request.longest_document = std::max(request.longest_document, length);
    }
  }
  return predict_calibration(*session.model.net, request,
                             calibration_need(session.model, method, targets, memory_bytes));
}

MemoryForecast forecast_memory(const TrainSession& session, const Attached& attached) {
  Network& net = *session.model.net;
  return predict_memory(net, memory_request(session, net, attached.adapters));
}

}  // namespace svtune
