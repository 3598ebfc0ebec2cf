// One layer of a backbone: attention and feed-forward, with norms and residual sums between.
#pragma once

#include <variant>
#include <vector>

#include "models/attention.h"
#include "models/disentangled_attention.h"
#include "models/feed_forward.h"

namespace svtune {

enum class BlockOrder {
  kSequential,  // y = x + attention(norm(x)); y + feed_forward(norm(y))
  kParallel,    // x + attention(norm(x)) + feed_forward(norm'(x))
  // x + attention(norm(x)) + feed_forward(norm(x)): there is no feed_forward_norm.
  kParallelOneNorm,
  kPostNorm,  // y = norm(x + attention(x)); norm'(y + feed_forward(y))
};

struct Block {
  BlockOrder order = BlockOrder::kSequential;
  Norm attention_norm = {};  // any of the norms may be none
  std::variant<Attention, DisentangledAttention> attention;
  Norm attention_output_norm = {};  // of the branch, before its sum
  Norm feed_forward_norm = {};
  Norm feed_forward_output_norm = {};
  FeedForward feed_forward;
  double branch_scale = 1.0;  // of both branches in their sums
  // [hidden], of the branches in their sums where norms come first: DINOv2's LayerScale.
  FreeTensor attention_scale = {}, feed_forward_scale = {};

  // x [N, hidden] -> [N, hidden]; `index` is the block's place in the backbone.
  at::Tensor forward(const at::Tensor& x, std::size_t index, const Pass& pass);
  void parts(PartVisitor& visit);
  Kept kept() const;
  std::vector<SharedInput> inputs() const;
  BlockWidths widths() const;
};

}  // namespace svtune
