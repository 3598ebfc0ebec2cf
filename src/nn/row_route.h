// Which of several adapters each row of a pass goes through.
//
// A batch names an adapter for each document. While the network works on it, the route of its rows
// is in force on the calling thread, and every RoutedAdapter reads it there; whoever takes some of
// the rows (a mixture's experts, the output head) puts the route of these in force meanwhile. Where
// no batch names adapters there is no route, and nothing is looked up.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "nn/batch.h"

namespace svtune {

inline constexpr std::int32_t kNoAdapter = -1;  // the base model alone

class RowRoute {
 public:
  // One index, or kNoAdapter, a row.
  explicit RowRoute(std::vector<std::int32_t> adapters);

  // Rows of one adapter, in their order.
  struct Group {
    std::int32_t adapter = 0;
    at::Tensor rows;  // int64; undefined where the group has all rows
  };
  const std::vector<Group>& groups() const { return groups_; }
  std::int64_t size() const { return static_cast<std::int64_t>(adapters_.size()); }

  RowRoute select(const at::Tensor& rows) const;  // int64
  RowRoute narrow(std::int64_t begin, std::int64_t count) const;

  // In force on this thread; null: none.
  static const RowRoute* current();

 private:
  std::vector<std::int32_t> adapters_;
  std::vector<Group> groups_;
};

// Nothing where the batch names no adapters.
std::optional<RowRoute> route_of_tokens(const Batch& batch);
std::optional<RowRoute> route_of_documents(const Batch& batch);
// Of the route in force; nothing where there is none.
std::optional<RowRoute> selected_route(const at::Tensor& rows);
std::optional<RowRoute> narrowed_route(std::int64_t begin, std::int64_t count);

// Puts a route in force, or none, until it goes.
class RouteScope {
 public:
  explicit RouteScope(std::optional<RowRoute> route);
  ~RouteScope();
  RouteScope(const RouteScope&) = delete;
  RouteScope& operator=(const RouteScope&) = delete;

 private:
  std::optional<RowRoute> route_;
  const RowRoute* outer_;
};

}  // namespace svtune
