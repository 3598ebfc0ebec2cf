#include "nn/row_route.h"

#include <algorithm>
#include <map>
#include <utility>

#include "libtorch/prelude.h"

namespace svtune {
namespace {

thread_local const RowRoute* in_force = nullptr;

}  // namespace

RowRoute::RowRoute(std::vector<std::int32_t> adapters) : adapters_(std::move(adapters)) {
  std::map<std::int32_t, std::vector<std::int64_t>> rows;
  for (std::size_t i = 0; i < adapters_.size(); ++i) {
    rows[adapters_[i]].push_back(static_cast<std::int64_t>(i));
  }
  for (const auto& [adapter, list] : rows) {
    Group group{adapter, {}};
    if (rows.size() > 1) group.rows = at::tensor(list, at::TensorOptions().dtype(at::kLong));
    groups_.push_back(std::move(group));
  }
}

RowRoute RowRoute::select(const at::Tensor& rows) const {
  const at::Tensor places = rows.to(at::kCPU).contiguous();
  const auto* place = places.const_data_ptr<std::int64_t>();
  std::vector<std::int32_t> chosen;
  for (std::int64_t i = 0; i < places.numel(); ++i) {
    chosen.push_back(adapters_.at(static_cast<std::size_t>(place[i])));
  }
  return RowRoute(std::move(chosen));
}

RowRoute RowRoute::narrow(std::int64_t begin, std::int64_t count) const {
  const auto first = adapters_.begin() + begin;
  return RowRoute(std::vector<std::int32_t>(first, first + count));
}

const RowRoute* RowRoute::current() { return in_force; }

std::optional<RowRoute> route_of_tokens(const Batch& batch) {
  if (batch.adapters.empty()) return std::nullopt;
  std::vector<std::int32_t> rows;
  for (std::size_t s = 0; s < batch.adapters.size(); ++s) {
    rows.insert(rows.end(), static_cast<std::size_t>(batch.offsets[s + 1] - batch.offsets[s]),
                batch.adapters[s]);
  }
  return RowRoute(std::move(rows));
}

std::optional<RowRoute> route_of_documents(const Batch& batch) {
  if (batch.adapters.empty()) return std::nullopt;
  return RowRoute(batch.adapters);
}

std::optional<RowRoute> selected_route(const at::Tensor& rows) {
  if (in_force == nullptr) return std::nullopt;
  return in_force->select(rows);
}

std::optional<RowRoute> narrowed_route(std::int64_t begin, std::int64_t count) {
  if (in_force == nullptr) return std::nullopt;
  return in_force->narrow(begin, count);
}

RouteScope::RouteScope(std::optional<RowRoute> route)
    : route_(std::move(route)), outer_(std::exchange(in_force, route_ ? &*route_ : nullptr)) {}

RouteScope::~RouteScope() { in_force = outer_; }

}  // namespace svtune
