#include "models/feed_forward.h"

#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {

at::Tensor GatedMlp::forward(const at::Tensor& x, const Dropout& dropout) {
  const std::vector<at::Tensor> each = forward_together({&gate, &up}, x);
  return down.forward(dropped(glu(each[0], each[1], activation), dropout));
}

void GatedMlp::parts(PartVisitor& visit) {
  visit(gate);
  visit(up);
  visit(down);
  visit(activation_module);
}

at::Tensor FusedGatedMlp::forward(const at::Tensor& x, const Dropout& dropout) {
  const std::vector<at::Tensor> halves = at::chunk(gate_up.forward(x), 2, -1);
  return down.forward(dropped(glu(halves[0], halves[1], activation), dropout));
}

void FusedGatedMlp::parts(PartVisitor& visit) {
  visit(gate_up);
  visit(down);
  visit(activation_module);
}

at::Tensor Mlp::forward(const at::Tensor& x, const Dropout& dropout) {
  return down.forward(dropped(activate(up.forward(x), activation), dropout));
}

void Mlp::parts(PartVisitor& visit) {
  visit(up);
  visit(down);
  visit(activation_module);
}

at::Tensor Mixture::forward(const at::Tensor& x, const Dropout& dropout) {
  const at::Tensor sum = routed(x, dropout);
  if (!shared) return sum;
  const auto behind = static_cast<std::int64_t>(experts.size());  // the place of the shared one
  return sum + at::sigmoid(shared->gate.forward(x)) * shared->mlp.forward(x, dropout.at(behind));
}

at::Tensor Mixture::routed(const at::Tensor& x, const Dropout& dropout) {
  const at::ScalarType wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor rating = at::softmax(router.forward(x).to(wide), -1);
  auto [weights, chosen] = at::topk(rating, experts_per_token, -1);
  if (sums_to_one) weights = weights / weights.sum(-1, /*keepdim=*/true);
  weights = weights.reshape(-1);
  at::Tensor sum = at::zeros_like(x);
  for (std::size_t e = 0; e < experts.size(); ++e) {
    const at::Tensor places =
        at::nonzero(chosen.reshape(-1) == static_cast<std::int64_t>(e)).squeeze(1);
    if (places.size(0) == 0) continue;
    const at::Tensor rows = places.div(experts_per_token, "floor");
    const RouteScope scope(selected_route(rows));
    const at::Tensor y =
        experts[e].forward(x.index_select(0, rows), dropout.at(static_cast<std::int64_t>(e)));
    const at::Tensor weighted = y * weights.index_select(0, places).unsqueeze(1);
    sum = sum.index_add(0, rows, weighted.to(x.scalar_type()));
  }
  return sum;
}

void Mixture::parts(PartVisitor& visit) {
  visit(router);
  for (GatedMlp& expert : experts) expert.parts(visit);
  if (!shared) return;
  shared->mlp.parts(visit);
  visit(shared->gate);
}

std::int64_t Mixture::inner() const {
  return experts_per_token * experts.front().inner() + (shared ? shared->mlp.inner() : 0);
}

Kept Mixture::kept() const {
  const std::int64_t hidden = router.in_features();
  const auto count = static_cast<std::int64_t>(experts.size());
  // Of each chosen expert what it keeps itself and its output; the ratings.
  Kept kept{experts_per_token * (experts.front().kept().elements + hidden),
            2 * count + 2 * experts_per_token};
  if (shared) kept += {shared->mlp.kept().elements + hidden + 1, 0};
  return kept;
}

std::vector<SharedInput> Mixture::inputs() const {
  std::vector<SharedInput> list{{{&router}}};
  for (const GatedMlp& expert : experts) {
    for (SharedInput& each : expert.inputs()) {
      each.rows = static_cast<double>(experts_per_token) / static_cast<double>(experts.size());
      list.push_back(std::move(each));
    }
  }
  if (!shared) return list;
  list.front().layers.insert(list.front().layers.end(),
                             {&shared->mlp.gate, &shared->mlp.up, &shared->gate});
  list.push_back({{&shared->mlp.down}});
  return list;
}

}  // namespace svtune
