#include "nn/routed_adapter.h"

#include <stdexcept>
#include <utility>

#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {

RoutedAdapter::RoutedAdapter(std::vector<std::unique_ptr<Adapter>> adapters)
    : adapters_(std::move(adapters)) {
  if (adapters_.empty()) throw std::logic_error("a layer with a list of no adapters");
}

at::Tensor RoutedAdapter::pass(std::int32_t index, const at::Tensor& x, const BaseWeight& base) {
  if (index == kNoAdapter) return base.matmul(x);
  const std::unique_ptr<Adapter>& adapter = adapters_.at(static_cast<std::size_t>(index));
  return adapter ? adapter->forward(x, base) : base.matmul(x);
}

at::Tensor RoutedAdapter::forward(const at::Tensor& x, const BaseWeight& base) {
  const RowRoute* route = RowRoute::current();
  if (route == nullptr) return pass(0, x, base);
  if (route->size() != x.size(0)) {
    throw std::logic_error("a route of " + std::to_string(route->size()) + " rows for " +
                           std::to_string(x.size(0)));
  }
  at::Tensor y;
  for (const RowRoute::Group& group : route->groups()) {
    if (!group.rows.defined()) return pass(group.adapter, x, base);
    const at::Tensor part = pass(group.adapter, x.index_select(0, group.rows), base);
    if (!y.defined()) y = at::empty({x.size(0), part.size(1)}, part.options());
    y.index_copy_(0, group.rows, part);
  }
  return y;
}

at::Tensor RoutedAdapter::merged_weight(const BaseWeight& base) const {
  return adapters_.front() ? adapters_.front()->merged_weight(base) : base.dense_high_precision();
}

std::optional<LowRankDelta> RoutedAdapter::low_rank_delta() const {
  return adapters_.front() ? adapters_.front()->low_rank_delta() : std::nullopt;
}

AdapterMemory RoutedAdapter::memory(std::int64_t tokens) const {
  return adapters_.front() ? adapters_.front()->memory(tokens) : AdapterMemory{};
}

}  // namespace svtune
