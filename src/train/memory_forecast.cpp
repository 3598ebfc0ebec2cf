// The need of a run as a sum over what stays alive at the worst moment of a step: the tensors
// that the operators of src/nn/ops save for backward, and the temporaries of the widest one.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "attach/observing_adapter.h"
#include "train/memory.h"

namespace svtune {
namespace {

constexpr double kFp32 = 4;  // bytes

double element_bytes(const Network& net) {
  return net.dtype() == at::kBFloat16 ? 2 : net.dtype() == at::kDouble ? 8 : 4;
}

std::uint64_t as_bytes(double value) { return static_cast<std::uint64_t>(value); }

// Of so many tokens.
double bytes_of(const Kept& kept, double tokens, double element) {
  const double each =
      static_cast<double>(kept.elements) * element + kFp32 * static_cast<double>(kept.floats);
  return tokens * each + static_cast<double>(kept.once) * element;
}

// The masks within a block's branches and of their outputs, one byte for each element, or for each
// row of whole ones.
double mask_bytes(const Block& block, const DropoutRates& rates, double tokens) {
  const BlockWidths widths = block.widths();
  std::int64_t columns = 0;
  for (const std::optional<double>& rate : {rates.attention_output, rates.feed_forward_output}) {
    if (rate.value_or(0) > 0) columns += widths.hidden;
  }
  if (rates.feed_forward_activation.value_or(0) > 0) columns += widths.inner;
  if (rates.branches.value_or(0) > 0) columns += 2;
  return tokens * static_cast<double>(columns);
}

// The block that holds each linear layer and each parameter, by name; others are not listed.
std::map<std::string, std::int64_t> blocks_by_name(Network& net) {
  std::map<std::string, std::int64_t> list;
  for (std::size_t i = 0; i < net.blocks().size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    for (const Linear* layer : linears_of(net.blocks()[i])) list[layer->name()] = index;
    for (const NamedParameter& each : parameters_of(net.blocks()[i])) list[each.name] = index;
  }
  return list;
}

// Elements per token that the adapted layers of a block keep: their own, and each input once.
double kept_by_adapters(const Block& block, std::int64_t tokens) {
  double kept = 0;
  for (const SharedInput& input : block.inputs()) {
    const double rows = input.rows + static_cast<double>(input.more_rows) /
                                         static_cast<double>(std::max<std::int64_t>(1, tokens));
    bool keeps_input = false;
    for (const Linear* layer : input.layers) {
      if (layer->adapter() == nullptr) continue;
      const AdapterMemory memory = layer->adapter()->memory(tokens);
      kept += rows * static_cast<double>(memory.kept_per_token);
      keeps_input = keeps_input || memory.keeps_input;
    }
    if (!keeps_input || input.kept_anyway) continue;
    kept += rows * static_cast<double>(input.layers.front()->in_features());
  }
  return kept;
}

// Temporaries of backward through one block: gradients of the widest layer's operands, and
// one attention tile (scores, weights and their gradients in fp32; with dropout its mask and what
// it leaves of the weights).
double temporaries(const Block& block, const MemoryRequest& request, double element) {
  const BlockWidths widths = block.widths();
  const auto hidden = static_cast<double>(widths.hidden), inner = static_cast<double>(widths.inner);
  const auto queries = static_cast<double>(widths.queries), keys = static_cast<double>(widths.keys);
  const auto tokens = static_cast<double>(request.batch_tokens);
  const auto longest = static_cast<double>(request.longest_document > 0 ? request.longest_document
                                                                        : request.batch_tokens);
  const double feed_forward =
      tokens * (4 * inner + 2 * hidden) * element + static_cast<double>(request.gradient_bytes);
  constexpr double kQueryRows = 128;  // of a tile
  const double copies_of_tile = request.dropout.attention_weights.value_or(0) > 0 ? 6 : 4;
  const double tile = copies_of_tile * static_cast<double>(widths.heads) *
                      std::min(kQueryRows, longest) * longest * kFp32;
  const double copies = longest * (4 * queries + 4 * keys) * kFp32;
  const double gradients = tokens * (2 * queries + 2 * keys + hidden) * element;
  return std::max(feed_forward, tile + copies + gradients);
}

// Final rows, their gradient, and one tile of logits.
double head_bytes(const Network& net, const MemoryRequest& request, double element) {
  const ArchSpec& spec = net.spec();
  const Adapter* adapter = net.head().adapter();
  const bool adapted =
      (adapter != nullptr && !adapter->plain_weight().defined()) || net.head().bias().defined();
  const double tile_elements = adapted ? kAdaptedTileElements : 1 << 24;
  // Logits, the same in fp32, their softmax and its gradient.
  const double copies = adapted ? 1 + 3 * kFp32 / element : 1;
  const auto vocab = static_cast<double>(net.head().out_features());
  const auto rows = static_cast<double>(request.supervised_tokens > 0 ? request.supervised_tokens
                                                                      : request.batch_tokens);
  const double tile_rows = std::min(rows, std::max(16.0, std::floor(tile_elements / vocab)));
  const auto hidden = static_cast<double>(spec.hidden_size);
  const double normed =
      net.averages_rows() ? static_cast<double>(request.batch_tokens) * 3 * hidden * element : 0;
  // The layer in front of the output: its input, product, activation and norm, with gradients.
  const double transformed = net.transforms_rows() ? rows * 6 * hidden * element : 0;
  return normed + transformed + rows * (3 * hidden * element + 3 * kFp32) +
         copies * tile_rows * vocab * element;
}

// The pixels that the rows of a batch are made of, and the same as one row for each patch; one
// patch too many for each image, and for each of its registers.
double image_bytes(const ArchSpec& spec, const MemoryRequest& request, double element) {
  const auto patch = static_cast<double>(spec.image->patch);
  return static_cast<double>(request.batch_tokens) * 3 * patch * patch * (kFp32 + element);
}

// Gradients of a trained head: its own and that scaled by the loss's, or one tile's part of it.
// An embedding's comes when the activations are gone.
double head_gradient(const Network& net, const MemoryRequest& request, double element) {
  if (!request.trains_head) return 0;
  const Linear& head = net.head();
  const auto size =
      static_cast<double>(head.out_features()) * static_cast<double>(head.in_features());
  return size * std::max(2 * kFp32, kFp32 + (element < kFp32 ? 2 : 1) * element);
}

struct Activations {
  double saved = 0;   // when the forward pass is done; bytes
  double widest = 0;  // what the largest need has on top
};

Activations activations(Network& net, const MemoryRequest& request, double element) {
  const auto tokens = static_cast<double>(request.batch_tokens);
  const double input = tokens * static_cast<double>(net.spec().hidden_size) * element;
  const std::size_t count = request.kept_per_token.size(), all = net.blocks().size();
  double passing = 0;  // backward through one block whose tensors are there
  for (const Block& block : net.blocks()) {
    passing = std::max(passing, temporaries(block, request, element));
  }
  std::vector<double> whole;  // what backward needs of each block
  for (std::size_t i = 0; i < count; ++i) {
    const Block& block = net.blocks()[all - count + i];
    whole.push_back(bytes_of(block.kept(), tokens, element) +
                    mask_bytes(block, request.dropout, tokens) +
                    tokens * request.kept_per_token[i] * element);
  }
  const InputConvolution& convolution = net.input_convolution();
  // It follows the first block, and is not run again with it.
  const bool through = count == all && count > 0;
  double mixed = through ? bytes_of(convolution.kept(), tokens, element) : 0;
  if (through && request.dropout.convolution.value_or(0) > 0) mixed += input / element;
  const auto again =
      static_cast<std::size_t>(std::min<std::int64_t>(request.recompute.blocks, request.blocks()));
  double saved = static_cast<double>(again) * input + mixed;
  // A gradient that goes through all blocks may go on into the embedding.
  if (count == all && request.dropout.embedding.value_or(0) > 0) saved += input / element;
  for (std::size_t i = again; i < count; ++i) saved += whole[i];
  const double head = head_bytes(net, request, element) + head_gradient(net, request, element);
  double largest = saved + std::max(passing, head);
  const double behind_first = through ? (again > 0 ? input : whole[0]) : 0;
  largest = std::max(largest, behind_first + bytes_of(convolution.passing(), tokens, element));
  // A block lives again when those behind it are gone, inputs and all.
  for (std::size_t i = 0; i < again; ++i) {
    largest = std::max(largest, static_cast<double>(i + 1) * input + whole[i] + passing);
  }
  return {saved, largest - saved};
}

// The widest sides of the layers that are observed.
double widest_input(const CalibrationNeed& need) {
  std::int64_t widest = 0;
  for (const Linear* layer : need.layers) widest = std::max(widest, layer->in_features());
  return static_cast<double>(widest);
}

// A block's tensors with the rows before and behind it, and an input in fp32, twice while it is
// centred or scaled.
double observed_forward(Network& net, const MemoryRequest& request, const CalibrationNeed& need,
                        double element) {
  const auto tokens = static_cast<double>(request.batch_tokens);
  double columns = 0;
  for (const Block& block : net.blocks()) {
    const BlockWidths widths = block.widths();
    columns = std::max(columns, static_cast<double>(3 * (widths.inner + widths.hidden)));
  }
  return tokens * (columns * element + 2 * widest_input(need) * kFp32);
}

// What training with adapters that keep their inputs takes, and in 16 bits both factors of a
// layer's gradient in fp32.
double observed_backward(Network& net, MemoryRequest request, const CalibrationNeed& need,
                         double element) {
  ObservedPass observed;
  AdapterSet observers;
  observers.layers = need.layers;
  for (Linear* layer : need.layers) layer->attach(std::make_unique<ObservingAdapter>(observed));
  add_adapters(request, net, observers);
  for (Linear* layer : need.layers) layer->detach().reset();
  const auto [saved, widest] = activations(net, request, element);
  const auto tokens = static_cast<double>(request.batch_tokens);
  return saved + widest + (element < kFp32 ? 2 * tokens * widest_input(need) * kFp32 : 0);
}

}  // namespace

std::uint64_t input_bytes(Network& net) {
  std::uint64_t sum = 0;
  for (const NamedParameter& each : parameters_of(net.input_convolution())) {
    sum += each.tensor->nbytes();
  }
  if (net.head_is_tied()) return sum;
  for (const NamedParameter& each : net.input_parameters()) sum += each.tensor->nbytes();
  return sum;
}

void add_adapters(MemoryRequest& request, Network& net, const AdapterSet& adapters) {
  const std::map<std::string, std::int64_t> blocks = blocks_by_name(net);
  const auto last = static_cast<std::int64_t>(net.blocks().size());
  std::int64_t first = last;
  for (const Linear* layer : adapters.layers) {
    const AdapterMemory memory = layer->adapter()->memory(request.batch_tokens);
    request.adapter_bytes += static_cast<std::uint64_t>(memory.held_bytes);
    const auto block = blocks.find(layer->name());
    if (block == blocks.end()) continue;
    first = std::min(first, block->second);
    request.gradient_bytes =
        std::max(request.gradient_bytes, static_cast<std::uint64_t>(memory.gradient_bytes));
  }
  std::set<std::string> inputs;
  for (const NamedParameter& each : net.input_parameters()) inputs.insert(each.name);
  for (const ExtraTrainable& extra : adapters.extras) {
    const auto block = blocks.find(extra.name);
    const bool is_input = inputs.contains(extra.name) || inputs.contains(extra.matrix);
    // What lies behind the blocks needs no way through them.
    if (block != blocks.end() || is_input) first = std::min(first, is_input ? 0 : block->second);
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
  for (std::int64_t i = first; i < last; ++i) {
    const Block& block = net.blocks()[static_cast<std::size_t>(i)];
    request.kept_per_token.push_back(kept_by_adapters(block, request.batch_tokens));
  }
  request.trainable_parameters = adapters.num_trainable();
  const Adapter* head = net.head().adapter();
  request.trains_head = (head != nullptr && head->plain_weight().defined()) ||
                        (net.head_is_tied() && net.embedding().weight().requires_grad());
}

std::uint64_t MemoryForecast::total() const {
  std::uint64_t sum = 0;
  for (const MemoryItem& item : items) sum += item.bytes;
  return sum;
}

MemoryForecast predict_memory(Network& net, const MemoryRequest& request) {
  const double element = element_bytes(net);
  const auto [saved, widest] = activations(net, request, element);
  const double states = static_cast<double>(request.trainable_parameters) * 16;
  // Sizes rounded up and blocks kept for reuse, see nn/cpu_allocator.cpp.
  const double reserve = states / 16 + (saved + widest) / 8 + (32 << 20);
  MemoryForecast forecast{{{"program", request.program_bytes},
                           {"weights", request.weight_bytes},
                           {"frozen adapter state, copies", request.adapter_bytes},
                           {"trained parameters, gradients, AdamW moments", as_bytes(states)},
                           {"activations", as_bytes(saved)},
                           {"temporaries", as_bytes(widest)},
                           {"allocator reserve", as_bytes(reserve)}}};
  if (net.spec().image) {
    forecast.items.push_back({"images", as_bytes(image_bytes(net.spec(), request, element))});
  }
  return forecast;
}

MemoryForecast predict_calibration(Network& net, const MemoryRequest& request,
                                   const CalibrationNeed& need) {
  const double element = element_bytes(net);
  const double pass = need.backward ? observed_backward(net, request, need, element)
                                    : observed_forward(net, request, need, element);
  // One follows the other, and takes the memory that it leaves.
  const double larger = std::max(pass, static_cast<double>(need.work));
  MemoryForecast forecast{{{"program", request.program_bytes},
                           {"weights", request.weight_bytes},
                           {"sums over the data", as_bytes(static_cast<double>(need.sums))},
                           {"starts", as_bytes(static_cast<double>(need.starts))},
                           {"a batch, or the work on starts", as_bytes(larger)},
                           {"allocator reserve", as_bytes(larger / 8 + (32 << 20))}}};
  if (net.spec().image) {
    forecast.items.push_back({"images", as_bytes(image_bytes(net.spec(), request, element))});
  }
  return forecast;
}

}  // namespace svtune
