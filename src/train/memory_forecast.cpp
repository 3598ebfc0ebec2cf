// The need of a run as a sum over what stays alive at the worst moment of a step: the tensors
// that the operators of src/nn/ops save for backward, and the temporaries of the widest one.
#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>

#include "train/memory.h"

namespace svtune {
namespace {

constexpr double kFp32 = 4;  // bytes
constexpr char kFinalNorm[] = "model.norm.weight";

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

// Bytes per token that one block keeps for backward, whatever its linear layers keep.
double saved_by_block(const ArchSpec& spec, double element) {
  const BlockSizes n(spec);
  double elements = 2 * n.hidden;          // both residual sums
  elements += 2 * n.queries + 2 * n.keys;  // rotated q and k, v, attention's output
  elements += 2 * n.inner;                 // gate, up
  double bytes = kFp32 * (n.heads + 2);    // softmax sums, reciprocal norms
  if (spec.sandwich_norms) elements += 2 * n.hidden;
  if (spec.query_key_norm) {
    elements += n.queries + n.keys;
    bytes += kFp32 * (n.heads + static_cast<double>(spec.num_kv_heads));
  }
  return elements * element + bytes;
}

// Layers of a block that share their input count it once; attention keeps its output anyway.
std::string input_of(const std::string& layer) {
  const std::size_t dot = layer.rfind('.') + 1;
  const std::string block = layer.substr(0, dot), module = layer.substr(dot);
  if (module == "o_proj") return "";
  if (module == "q_proj" || module == "k_proj" || module == "v_proj") return block + "attention";
  if (module == "gate_proj" || module == "up_proj") return block + "feed-forward";
  return layer;
}

// N of "model.layers.N.", or nothing for other layers.
std::optional<std::int64_t> block_of(const std::string& layer) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!layer.starts_with(kPrefix)) return std::nullopt;
  return std::stoll(layer.substr(kPrefix.size()));
}

// Temporaries of backward through one block: gradients of the widest layer's operands, and
// one attention tile (scores, weights and their gradients in fp32).
double temporaries(const ArchSpec& spec, const MemoryRequest& request, double element) {
  const BlockSizes n(spec);
  const auto tokens = static_cast<double>(request.batch_tokens);
  const auto longest = static_cast<double>(request.longest_document > 0 ? request.longest_document
                                                                        : request.batch_tokens);
  const double feed_forward =
      tokens * (4 * n.inner + 2 * n.hidden) * element + static_cast<double>(request.gradient_bytes);
  constexpr double kQueryRows = 128;  // of a tile
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
  return rows * (3 * hidden * element + 3 * kFp32) + tile_rows * vocab * element;
}

// Gradients of a trained head: its own and that scaled by the loss's, or one tile's part of it.
// An embedding's comes when the activations are gone.
double head_gradient(const ArchSpec& spec, const MemoryRequest& request, double element) {
  if (!request.trains_head) return 0;
  const auto size = static_cast<double>(spec.vocab_size) * static_cast<double>(spec.hidden_size);
  return size * std::max(2 * kFp32, kFp32 + (element < kFp32 ? 2 : 1) * element);
}

}  // namespace

void add_adapters(MemoryRequest& request, Transformer& net, const AdapterSet& adapters) {
  std::int64_t first = net.spec().num_layers;
  std::set<std::string> inputs;
  for (const Linear* layer : adapters.layers) {
    const AdapterMemory memory = layer->adapter()->memory(request.batch_tokens);
    request.adapter_bytes += static_cast<std::uint64_t>(memory.held_bytes);
    const std::optional<std::int64_t> block = block_of(layer->name());
    if (!block) continue;
    first = std::min(first, *block);
    request.gradient_bytes =
        std::max(request.gradient_bytes, static_cast<std::uint64_t>(memory.gradient_bytes));
    request.kept_per_token += memory.kept_per_token;
    const std::string input = memory.keeps_input ? input_of(layer->name()) : "";
    if (!input.empty() && inputs.insert(input).second) {
      request.kept_per_token += layer->in_features();
    }
  }
  for (const ExtraTrainable& extra : adapters.extras) {
    first = std::min(first, block_of(extra.name).value_or(extra.name == kFinalNorm ? first : 0));
  }
  for (const NamedTensor& each : adapters.frozen_state()) {
    request.adapter_bytes += each.tensor.nbytes();
  }
  for (const NamedTensor& each : adapters.changing_state()) {
    request.adapter_bytes += each.tensor.nbytes();
  }
  if (adapters.state) {
    request.adapter_bytes += static_cast<std::uint64_t>(adapters.state->held_bytes());
  }
  request.blocks = net.spec().num_layers - first;
  request.trainable_parameters = adapters.num_trainable();
  request.trains_head =
      net.head().adapter() != nullptr || (net.head_is_tied() && net.embedding().requires_grad());
}

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
  const double a_block = tokens * saved_by_block(spec, element);
  const double linears = tokens * static_cast<double>(request.kept_per_token) * element;
  const auto blocks = static_cast<double>(request.blocks);
  double backward = temporaries(spec, request, element);
  double saved = blocks * a_block + linears;
  if (request.recompute == Recompute::kFull) {
    // One block at a time lives again.
    backward += a_block + linears / std::max(1.0, blocks);
    saved = layers * tokens * static_cast<double>(spec.hidden_size) * element;
  }
  const double states = static_cast<double>(request.trainable_parameters) * 16;
  const double head = head_bytes(spec, request, element) + head_gradient(spec, request, element);
  const double widest = std::max(backward, head);
  // Sizes rounded up and blocks kept for reuse, see nn/cpu_allocator.cpp.
  const double reserve = states / 16 + (saved + widest) / 8 + (32 << 20);
  const auto bytes = [](double value) { return static_cast<std::uint64_t>(value); };
  return {{{"program", request.program_bytes},
           {"weights", request.weight_bytes},
           {"frozen adapter state, copies", request.adapter_bytes},
           {"trained parameters, gradients, AdamW moments", bytes(states)},
           {"activations", bytes(saved)},
           {"temporaries", bytes(widest)},
           {"allocator reserve", bytes(reserve)}}};
}

}  // namespace svtune
