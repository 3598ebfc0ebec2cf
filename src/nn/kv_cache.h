// Keys and values of the tokens already processed, per layer and sequence (generation).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace svtune {

class KvCache {
 public:
  // All sequences start empty. Buffers grow by doubling; rows are [kv_heads, head_dim].
  KvCache(std::int64_t layers, std::int64_t sequences);

  // Appends k, v [T, G, D] of one sequence in one layer and returns views of everything
  // stored for it, [past + T, G, D] each.
  struct View {
    at::Tensor keys, values;
  };
  View append(std::int64_t layer, std::int64_t sequence, const at::Tensor& k, const at::Tensor& v);

  // Tokens stored for a sequence before the current forward pass.
  std::int64_t length(std::int64_t sequence) const;
  // Ends a forward pass that appended `tokens` rows to a sequence in every layer.
  void advance(std::int64_t sequence, std::int64_t tokens);
  // Keeps only the named sequences, in that order (finished ones leave a batch).
  void keep(const std::vector<std::int64_t>& sequences);
  std::int64_t sequences() const { return static_cast<std::int64_t>(lengths_.size()); }

 private:
  struct Buffer {
    at::Tensor keys, values;  // [capacity, G, D]
  };
  std::vector<std::vector<Buffer>> buffers_;  // [layer][sequence]
  std::vector<std::int64_t> lengths_;
};

}  // namespace svtune
