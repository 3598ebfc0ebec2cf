#include "models/backbone.h"

#include <algorithm>

#include "libtorch/prelude.h"
#include "nn/ops/recompute.h"

namespace svtune {
namespace {

bool trains(Block& block) {
  for (const Linear* layer : linears_of(block)) {
    if (layer->adapter() != nullptr) return true;
  }
  const std::vector<NamedParameter> parameters = parameters_of(block);
  return std::ranges::any_of(
      parameters, [](const NamedParameter& each) { return each.tensor->requires_grad(); });
}

}  // namespace

at::Tensor Backbone::embed(const at::Tensor& tokens, at::ScalarType dtype) const {
  const at::Tensor x = embedding.forward(tokens).to(dtype);
  if (embedding_scale == 1.0) return x;
  return x * at::scalar_tensor(embedding_scale, x.options());
}

at::Tensor Backbone::forward(const Batch& batch, at::ScalarType dtype, KvCache* cache,
                             Recompute recompute) {
  at::Tensor x = embed(batch.tokens, dtype);
  const Pass pass{batch.offsets, rope_tables(rope, batch.positions, batch.offsets), cache};
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const bool wanted = recompute == Recompute::kFull && at::GradMode::is_enabled();
    if (wanted && (x.requires_grad() || trains(blocks[i]))) {
      x = recomputed(x, [this, i, pass](const at::Tensor& input) {
        return blocks[i].forward(input, i, pass);
      });
    } else {
      x = blocks[i].forward(x, i, pass);
    }
  }
  if (cache != nullptr) {
    for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
      cache->advance(static_cast<std::int64_t>(s), batch.offsets[s + 1] - batch.offsets[s]);
    }
  }
  return x;
}

void Backbone::parts(PartVisitor& visit) {
  visit(embedding);
  for (Block& block : blocks) block.parts(visit);
  visit(final_norm);
  visit(rotary_module);
}

}  // namespace svtune
