// Several adapters of one layer, of which each row of the input goes through its own.
#pragma once

#include <memory>
#include <vector>

#include "nn/adapter.h"

namespace svtune {

// For inference. Rows are grouped by adapter, and each group passes as it would alone, so that
// adapters of any methods can share a batch and none sees the others' rows. Without a route the
// first adapter has all rows.
class RoutedAdapter final : public Adapter {
 public:
  // By index; null where an adapter leaves this layer as it is. At least one.
  explicit RoutedAdapter(std::vector<std::unique_ptr<Adapter>> adapters);

  // Throws std::logic_error when the route in force has another number of rows, or an index that
  // is none.
  at::Tensor forward(const at::Tensor& x, const BaseWeight& base) override;
  // These are of the first adapter.
  at::Tensor merged_weight(const BaseWeight& base) const override;
  std::optional<LowRankDelta> low_rank_delta() const override;
  std::vector<Trainable> trainables() override { return {}; }
  AdapterMemory memory(std::int64_t tokens) const override;

 private:
  at::Tensor pass(std::int32_t index, const at::Tensor& x, const BaseWeight& base);

  std::vector<std::unique_ptr<Adapter>> adapters_;
};

}  // namespace svtune
