#include "models/block.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

at::Tensor normed(const Norm& norm, const at::Tensor& branch) {
  return norm.exists() ? norm.forward(branch) : branch;
}

}  // namespace

at::Tensor Block::forward(const at::Tensor& x, std::size_t index, const Pass& pass) {
  const at::Tensor attended =
      normed(attention_output_norm, attention.forward(attention_norm.forward(x), index, pass));
  const at::Tensor middle = x + attended;
  const at::Tensor& input = order == BlockOrder::kParallel ? x : middle;
  const at::Tensor inner = feed_forward_norm.forward(input);
  return middle + normed(feed_forward_output_norm,
                         std::visit([&](auto& part) { return part.forward(inner); }, feed_forward));
}

void Block::parts(PartVisitor& visit) {
  visit(attention_norm);
  attention.parts(visit);
  visit(attention_output_norm);
  visit(feed_forward_norm);
  visit(feed_forward_output_norm);
  std::visit([&](auto& part) { part.parts(visit); }, feed_forward);
}

Kept Block::kept() const {
  const std::int64_t hidden = attention.output.out_features();
  Kept kept{2 * hidden, 2};  // both residual sums, reciprocals of both norms
  kept += attention.kept();
  kept += std::visit([](const auto& part) { return part.kept(); }, feed_forward);
  if (attention_output_norm.exists()) kept.elements += hidden;
  if (feed_forward_output_norm.exists()) kept.elements += hidden;
  return kept;
}

std::vector<SharedInput> Block::inputs() const {
  std::vector<SharedInput> list = attention.inputs();
  for (SharedInput& each :
       std::visit([](const auto& part) { return part.inputs(); }, feed_forward)) {
    list.push_back(std::move(each));
  }
  return list;
}

BlockWidths Block::widths() const {
  const HeadShape& heads = attention.heads;
  return {attention.output.out_features(), heads.queries * heads.width, heads.keys * heads.width,
          heads.queries, std::visit([](const auto& part) { return part.inner(); }, feed_forward)};
}

}  // namespace svtune
