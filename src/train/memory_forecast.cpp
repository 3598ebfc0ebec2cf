// The need of a run as a sum over what stays alive at the worst moment of a step: the tensors
// that the operators of src/nn/ops save for backward, and the temporaries of the widest one.
#include <algorithm>
#include <cmath>

#include "train/memory.h"

namespace svtune {
namespace {

constexpr double kFp32 = 4;  // bytes

// Sizes of one block per token, in elements unless said otherwise.
struct BlockSizes {
  double hidden, queries, keys, inner, heads;
  explicit BlockSizes(const ArchSpec& spec)
      : hidden(static_cast<double>(spec.hidden_size)),
        queries(static_cast<double>(spec.num_heads * spec.head_dim)),
        keys(static_cast<double>(spec.num_kv_heads * spec.head_dim)),
        inner(static_cast<double>(spec.intermediate_size)),
        heads(static_cast<double>(spec.num_heads)) {}
};

// Bytes per token that one block keeps for backward.
double saved_by_block(const ArchSpec& spec, double element) {
  const BlockSizes n(spec);
  double elements = 4 * n.hidden;          // both residual sums and both normed inputs
  elements += 2 * n.queries + 2 * n.keys;  // rotated q and k, v, attention's output
  elements += 3 * n.inner;                 // gate, up, their product
  double bytes = kFp32 * (n.heads + 2);    // softmax sums, reciprocal norms
  if (spec.sandwich_norms) elements += 2 * n.hidden;
  if (spec.query_key_norm) {
    elements += n.queries + n.keys;
    bytes += kFp32 * (n.heads + static_cast<double>(spec.num_kv_heads));
  }
  return elements * element + bytes;
}

// Bytes per token of dropout masks in one block, one per adapted layer's input.
double masks_of_block(const ArchSpec& spec, double element) {
  const BlockSizes n(spec);
  return (5 * n.hidden + n.queries + n.inner) * element;
}

// Temporaries of backward through one block: gradients of the widest layer's operands, and
// one attention tile (scores, weights and their gradients in fp32).
double temporaries(const ArchSpec& spec, const MemoryRequest& request, double element) {
  const BlockSizes n(spec);
  const auto tokens = static_cast<double>(request.batch_tokens);
  const auto longest = static_cast<double>(request.longest_document > 0 ? request.longest_document
                                                                        : request.batch_tokens);
  const double feed_forward = tokens * (4 * n.inner + 2 * n.hidden) * element;
  constexpr double kQueryRows = 256;  // of a tile
  const double tile = 4 * n.heads * std::min(kQueryRows, longest) * longest * kFp32;
  const double copies = longest * (4 * n.queries + 4 * n.keys) * kFp32;
  const double gradients = tokens * (2 * n.queries + 2 * n.keys + n.hidden) * element;
  return std::max(feed_forward, tile + copies + gradients);
}

// Final rows, their gradient, and one tile of logits.
double head_bytes(const ArchSpec& spec, const MemoryRequest& request, double element) {
  constexpr double kTileElements = 1 << 24;
  const auto vocab = static_cast<double>(spec.vocab_size);
  const auto rows = static_cast<double>(request.supervised_tokens > 0 ? request.supervised_tokens
                                                                      : request.batch_tokens);
  const double tile_rows = std::min(rows, std::max(16.0, std::floor(kTileElements / vocab)));
  const auto hidden = static_cast<double>(spec.hidden_size);
  // A trained head: its gradient, the gradient scaled by the loss's, one tile's part of it.
  const double trained = request.trains_head ? vocab * hidden * (2 * kFp32 + 2 * element) : 0;
  return rows * (3 * hidden * element + 3 * kFp32) + tile_rows * vocab * element + trained;
}

}  // namespace

std::uint64_t MemoryForecast::total() const {
  std::uint64_t sum = 0;
  for (const MemoryItem& item : items) sum += item.bytes;
  return sum;
}

MemoryForecast predict_memory(const ArchSpec& spec, at::ScalarType dtype,
                              const MemoryRequest& request) {
  const double element = dtype == at::kBFloat16 ? 2 : dtype == at::kDouble ? 8 : 4;
  const auto tokens = static_cast<double>(request.batch_tokens);
  const auto layers = static_cast<double>(spec.num_layers);
  double a_block = tokens * saved_by_block(spec, element);
  if (request.dropout) a_block += tokens * masks_of_block(spec, element);
  double backward = temporaries(spec, request, element);
  double saved = layers * a_block;
  if (request.recompute == Recompute::kFull) {
    saved = layers * tokens * static_cast<double>(spec.hidden_size) * element;
    backward += a_block;  // one block at a time lives again
  }
  const double method = tokens * static_cast<double>(request.saved_per_token) * element;
  const double copy = dtype == at::kBFloat16 ? 2 : 0;
  const double states = static_cast<double>(request.trainable_parameters) * (16 + copy);
  const double widest = std::max(backward, head_bytes(spec, request, element));
  // Sizes rounded up and blocks kept for reuse, see nn/cpu_allocator.cpp.
  const double reserve = states / 16 + (saved + method + widest) / 8 + (32 << 20);
  const auto bytes = [](double value) { return static_cast<std::uint64_t>(value); };
  return {{{"program", request.program_bytes},
           {"weights", request.weight_bytes},
           {"frozen adapter state", request.frozen_bytes},
           {"trained parameters, gradients, AdamW moments", bytes(states)},
           {"activations", bytes(saved + method)},
           {"temporaries", bytes(widest)},
           {"allocator reserve", bytes(reserve)}}};
}

}  // namespace svtune
