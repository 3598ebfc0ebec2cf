#include "models/disentangled_attention.h"

#include "libtorch/prelude.h"

namespace svtune {

at::Tensor DisentangledAttention::forward(const at::Tensor& x, std::size_t layer,
                                          const Pass& pass) {
  const std::int64_t tokens = x.size(0), rows = 2 * spec.span();
  const DropoutRates& rates = pass.dropout.rates;
  const at::Tensor table = dropped(pass.relative->forward(x.scalar_type()),
                                   pass.dropout.at(rates.distances, "distances", layer));
  const at::Tensor both = at::cat({x, table}, 0);
  const auto by_head = [this](Linear& linear, const at::Tensor& input) {
    return heads.apart(linear.forward(input), heads.queries);
  };
  const at::Tensor query = by_head(project.query, both), key = by_head(project.key, both);
  const at::Tensor out = disentangled_attention(
      {query.narrow(0, 0, tokens), key.narrow(0, 0, tokens), by_head(project.value, x),
       query.narrow(0, tokens, rows), key.narrow(0, tokens, rows)},
      pass.offsets, spec, pass.dropout.at(rates.attention_weights, "attention weights", layer));
  return output.forward(heads.joined(out));
}

void DisentangledAttention::parts(PartVisitor& visit) {
  project.parts(visit);
  visit(output);
}

Kept DisentangledAttention::kept() const {
  const std::int64_t width = heads.queries * heads.width;
  // Query, key, value and output of tokens; query and key of the table.
  return {4 * width, heads.queries, 2 * 2 * spec.span() * width};
}

std::vector<SharedInput> DisentangledAttention::inputs() const {
  SharedInput both{{&project.query, &project.key}};
  both.more_rows = 2 * spec.span();
  return {both, {{&project.value}}, {{&output}, true}};
}

}  // namespace svtune
