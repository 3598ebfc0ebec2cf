#include "models/block.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// Of whichever kind of attention.
std::int64_t hidden_size(const Block& block) {
  return std::visit([](const auto& part) { return part.output.out_features(); }, block.attention);
}

at::Tensor scaled(const at::Tensor& branch, const FreeTensor& scale) {
  return scale.exists() ? branch * scale.tensor.to(branch.scalar_type()) : branch;
}

HeadShape heads_of(const Block& block) {
  return std::visit([](const auto& part) { return part.heads; }, block.attention);
}

}  // namespace

at::Tensor Block::forward(const at::Tensor& x, std::size_t index, const Pass& pass) {
  const DropoutRates& rates = pass.dropout.rates;
  const auto attend = [&](const at::Tensor& input) {
    const at::Tensor y =
        std::visit([&](auto& part) { return part.forward(input, index, pass); }, attention);
    return dropped(y, pass.dropout.at(rates.attention_output, "attention output", index));
  };
  const auto feed = [&](const at::Tensor& input) {
    const Dropout inner =
        pass.dropout.at(rates.feed_forward_activation, "feed-forward activation", index);
    const at::Tensor y =
        std::visit([&](auto& part) { return part.forward(input, inner); }, feed_forward);
    return dropped(y, pass.dropout.at(rates.feed_forward_output, "feed-forward output", index));
  };
  const auto add = [&](const at::Tensor& sum, const at::Tensor& branch, const char* place) {
    const Dropout depth = pass.dropout.at(rates.branches, place, index);
    return at::add(sum, documents_dropped(branch, pass.offsets, depth), branch_scale);
  };
  const char* const first = "attention branch";
  const char* const second = "feed-forward branch";
  if (order == BlockOrder::kPostNorm) {
    const at::Tensor y = attention_norm.forward(add(x, attend(x), first));
    return feed_forward_norm.forward(add(y, feed(y), second));
  }
  const at::Tensor normed = attention_norm.forward(x);
  const at::Tensor attended = attention_output_norm.forward(attend(normed));
  const at::Tensor middle = add(x, scaled(attended, attention_scale), first);
  at::Tensor input = normed;
  if (order != BlockOrder::kParallelOneNorm) {
    input = feed_forward_norm.forward(order == BlockOrder::kParallel ? x : middle);
  }
  const at::Tensor fed = feed_forward_output_norm.forward(feed(input));
  return add(middle, scaled(fed, feed_forward_scale), second);
}

void Block::parts(PartVisitor& visit) {
  visit(attention_norm);
  std::visit([&](auto& part) { part.parts(visit); }, attention);
  visit(attention_output_norm);
  visit(attention_scale);
  visit(feed_forward_norm);
  visit(feed_forward_output_norm);
  std::visit([&](auto& part) { part.parts(visit); }, feed_forward);
  visit(feed_forward_scale);
}

Kept Block::kept() const {
  const std::int64_t hidden = hidden_size(*this);
  Kept kept;
  for (const Norm* norm : {&attention_norm, &feed_forward_norm}) {
    if (norm->exists()) kept += {hidden, 1};  // the residual sum, reciprocals
  }
  kept += std::visit([](const auto& part) { return part.kept(); }, attention);
  kept += std::visit([](const auto& part) { return part.kept(); }, feed_forward);
  if (attention_output_norm.exists()) kept.elements += hidden;
  if (feed_forward_output_norm.exists()) kept.elements += hidden;
  for (const FreeTensor* scale : {&attention_scale, &feed_forward_scale}) {
    // The gradient of a scale needs its branch.
    if (scale->exists() && scale->tensor.requires_grad()) kept.elements += hidden;
  }
  return kept;
}

std::vector<SharedInput> Block::inputs() const {
  std::vector<SharedInput> list =
      std::visit([](const auto& part) { return part.inputs(); }, attention);
  std::vector<SharedInput> inner =
      std::visit([](const auto& part) { return part.inputs(); }, feed_forward);
  if (order == BlockOrder::kParallelOneNorm) {
    std::vector<const Linear*>& first = list.front().layers;
    first.insert(first.end(), inner.front().layers.begin(), inner.front().layers.end());
    inner.erase(inner.begin());
  }
  for (SharedInput& each : inner) list.push_back(std::move(each));
  return list;
}

BlockWidths Block::widths() const {
  const HeadShape heads = heads_of(*this);
  return {hidden_size(*this), heads.queries * heads.width, heads.keys * heads.width, heads.queries,
          std::visit([](const auto& part) { return part.inner(); }, feed_forward)};
}

}  // namespace svtune
