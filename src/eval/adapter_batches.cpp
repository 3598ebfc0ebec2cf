#include "eval/adapter_batches.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace svtune {

std::vector<AdapterBatch> batches_by_adapter(std::int64_t count, std::int64_t batch_size,
                                             const std::vector<std::int32_t>& adapters) {
  const auto named = [&](std::uint32_t document) {
    return adapters.empty() ? 0 : adapters.at(document);
  };
  std::vector<std::uint32_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, {}, named);
  std::vector<AdapterBatch> batches;
  for (const std::uint32_t document : order) {
    const std::int32_t adapter = named(document);
    const bool fits = !batches.empty() && batches.back().adapter == adapter &&
                      static_cast<std::int64_t>(batches.back().documents.size()) < batch_size;
    if (!fits) batches.push_back({adapter, {}});
    batches.back().documents.push_back(document);
  }
  return batches;
}

}  // namespace svtune
