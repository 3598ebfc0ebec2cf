// The memory of a session: what it will need, and what it need not keep.
#pragma once

#include <cstdint>
#include <span>

#include "train/memory.h"
#include "train/train_session.h"

namespace svtune {

// Lets the system drop the pages of mapped weights that no product reads any more: what an adapter
// holds, or codes in int8, stand for them. They are read again where they are asked for.
void release_unread_weights(const TrainSession& session);

// What decides the need of the run with these adapters on its network, or on one with the same
// shapes: the longest batch of the data, the weights, what is computed again.
MemoryRequest memory_request(const TrainSession& session, Network& net, const AdapterSet& adapters);
// What the pass over these batches will need, before anything is attached.
MemoryForecast forecast_calibration(TrainSession& session, const MethodConfig& method,
                                    const TargetOptions& targets, std::span<const Batch> batches,
                                    const RecomputePlan& recompute, std::int64_t memory_bytes);
// What the run will need, from the attached layers and the longest batch of the data.
MemoryForecast forecast_memory(const TrainSession& session, const Attached& attached);

}  // namespace svtune
