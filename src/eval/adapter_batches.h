// Documents in the batches that they are measured in, where each may name an adapter.
#pragma once

#include <cstdint>
#include <vector>

namespace svtune {

struct AdapterBatch {
  std::int32_t adapter = 0;  // as Batch::adapters
  std::vector<std::uint32_t> documents;
};

// Documents 0 .. count - 1 in batches of at most batch_size that share an adapter: those of one
// adapter together, in their order. `adapters` has one of each document; empty: all go through the
// first.
std::vector<AdapterBatch> batches_by_adapter(std::int64_t count, std::int64_t batch_size,
                                             const std::vector<std::int32_t>& adapters);

}  // namespace svtune
