#include "models/feed_forward.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor GatedMlp::forward(const at::Tensor& x) {
  return down.forward(glu(gate.forward(x), up.forward(x), activation));
}

void GatedMlp::parts(PartVisitor& visit) {
  visit(gate);
  visit(up);
  visit(down);
  visit(activation_module);
}

at::Tensor Mlp::forward(const at::Tensor& x) {
  return down.forward(activate(up.forward(x), activation));
}

void Mlp::parts(PartVisitor& visit) {
  visit(up);
  visit(down);
  visit(activation_module);
}

at::Tensor Mixture::forward(const at::Tensor& x) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor rating = at::softmax(router.forward(x).to(wide), -1);
  auto [weights, chosen] = at::topk(rating, experts_per_token, -1);
  weights = (weights / weights.sum(-1, /*keepdim=*/true)).view(-1);
  at::Tensor sum = at::zeros_like(x);
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const at::Tensor places =
        at::nonzero(chosen.reshape(-1) == static_cast<std::int64_t>(e)).squeeze(1);
    if (places.size(0) == 0) continue;
    const at::Tensor rows = places.div(experts_per_token, "floor");
    const at::Tensor y = experts[e].forward(x.index_select(0, rows));
    const at::Tensor weighted = y * weights.index_select(0, places).unsqueeze(1);
    sum = sum.index_add(0, rows, weighted.to(x.scalar_type()));
  }
  return sum;
}

void Mixture::parts(PartVisitor& visit) {
  visit(router);
  for (GatedMlp& expert : experts) expert.parts(visit);
}

Kept Mixture::kept() const {
  const std::int64_t hidden = router.in_features();
  const auto count = static_cast<std::int64_t>(experts.size());
  // Of each chosen expert what it keeps itself and its output; the ratings.
  return {experts_per_token * (experts.front().kept().elements + hidden),
          2 * count + 2 * experts_per_token};
}

std::vector<SharedInput> Mixture::inputs() const {
  std::vector<SharedInput> list{{{&router}}};
  for (const GatedMlp& expert : experts) {
    for (SharedInput& each : expert.inputs()) {
      each.rows = static_cast<double>(experts_per_token) / static_cast<double>(experts.size());
      list.push_back(std::move(each));
    }
  }
  return list;
}

}  // namespace svtune
