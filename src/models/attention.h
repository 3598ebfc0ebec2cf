// Self-attention of a block: projections, rotation, attention over packed documents or a cache.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "models/footprint.h"
#include "models/pass.h"
#include "nn/ops/packed_attention.h"
#include "nn/parts.h"

namespace svtune {

struct HeadShape {
  std::int64_t queries = 0;  // heads
  std::int64_t keys = 0;     // heads of keys and values; divides `queries`
  std::int64_t width = 0;    // elements of a head

  // Views: rows [N, count * width] as [N, count, width], and [N, queries, width] as rows again.
  at::Tensor apart(const at::Tensor& rows, std::int64_t count) const;
  at::Tensor joined(const at::Tensor& outputs) const;
};

// [N, heads, width] each.
struct QueryKeyValue {
  at::Tensor query, key, value;
};

struct Projections {
  Linear query, key, value;

  QueryKeyValue forward(const at::Tensor& x, const HeadShape& heads);
  void parts(PartVisitor& visit);
  std::vector<const Linear*> layers() const { return {&query, &key, &value}; }
};

// One matrix whose rows go head by head: query, key and value of the first, then of the next.
struct FusedByHead {
  Linear all;

  QueryKeyValue forward(const at::Tensor& x, const HeadShape& heads);
  void parts(PartVisitor& visit) { visit(all); }
  std::vector<const Linear*> layers() const { return {&all}; }
};

// One matrix with all rows of the query first, then those of the key, then those of the value.
struct FusedInTurn {
  Linear all;

  QueryKeyValue forward(const at::Tensor& x, const HeadShape& heads);
  void parts(PartVisitor& visit) { visit(all); }
  std::vector<const Linear*> layers() const { return {&all}; }
};

struct Attention {
  std::variant<Projections, FusedByHead, FusedInTurn> project;
  Linear output;
  // Before the rotation, over as many elements as their weights have: a head, or all heads.
  Norm query_norm = {}, key_norm = {};
  std::optional<std::size_t> rotation = 0;  // among the pass's; none: nothing turns
  HeadShape heads;
  AttentionSpec spec;

  // x [N, hidden]; `layer` is the block's index, the place in the pass's cache.
  at::Tensor forward(const at::Tensor& x, std::size_t layer, const Pass& pass);
  void parts(PartVisitor& visit);
  Kept kept() const;
  std::vector<SharedInput> inputs() const;
};

}  // namespace svtune
