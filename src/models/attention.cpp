#include "models/attention.h"

#include "libtorch/prelude.h"
#include "nn/ops/decode.h"
#include "nn/ops/rowwise.h"

namespace svtune {
namespace {

at::Tensor attend_cached(std::size_t layer, const QueryKeyValue& x, const Pass& pass,
                         const AttentionSpec& spec) {
  std::vector<KvCache::View> stored;
  const std::size_t sequences = pass.offsets.size() - 1;
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int64_t begin = pass.offsets[s], count = pass.offsets[s + 1] - begin;
    stored.push_back(pass.cache->append(static_cast<std::int64_t>(layer),
                                        static_cast<std::int64_t>(s), x.key.narrow(0, begin, count),
                                        x.value.narrow(0, begin, count)));
  }
  if (static_cast<std::size_t>(x.query.size(0)) == sequences) {
    return attention_decode(x.query, stored, spec);
  }
  std::vector<at::Tensor> documents;
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int64_t begin = pass.offsets[s], count = pass.offsets[s + 1] - begin;
    documents.push_back(attention_cached(x.query.narrow(0, begin, count), stored[s].keys,
                                         stored[s].values,
                                         pass.cache->length(static_cast<std::int64_t>(s)), spec));
  }
  return at::cat(documents, 0);
}

// x [N, heads, width]
at::Tensor normed(Norm& norm, const at::Tensor& x) {
  return norm.forward(x.reshape({x.size(0), -1, norm.weight().size(0)})).view(x.sizes());
}

}  // namespace

at::Tensor HeadShape::apart(const at::Tensor& rows, std::int64_t count) const {
  return rows.view({rows.size(0), count, width});
}

at::Tensor HeadShape::joined(const at::Tensor& outputs) const {
  return outputs.view({outputs.size(0), queries * width});
}

QueryKeyValue Projections::forward(const at::Tensor& x, const HeadShape& heads) {
  const std::vector<at::Tensor> each = forward_together({&query, &key, &value}, x);
  return {heads.apart(each[0], heads.queries), heads.apart(each[1], heads.keys),
          heads.apart(each[2], heads.keys)};
}

void Projections::parts(PartVisitor& visit) {
  visit(query);
  visit(key);
  visit(value);
}

QueryKeyValue FusedByHead::forward(const at::Tensor& x, const HeadShape& heads) {
  const at::Tensor y = all.forward(x).view({x.size(0), heads.queries, 3, heads.width});
  return {y.select(2, 0), y.select(2, 1), y.select(2, 2)};
}

QueryKeyValue FusedInTurn::forward(const at::Tensor& x, const HeadShape& heads) {
  const std::int64_t count = heads.queries + 2 * heads.keys;
  const at::Tensor y = heads.apart(all.forward(x), count);
  const std::vector<at::Tensor> each =
      at::split_with_sizes(y, {heads.queries, heads.keys, heads.keys}, 1);
  return {each[0], each[1], each[2]};
}

at::Tensor Attention::forward(const at::Tensor& x, std::size_t layer, const Pass& pass) {
  QueryKeyValue each =
      std::visit([&](auto& projection) { return projection.forward(x, heads); }, project);
  if (query_norm.exists()) {
    each.query = normed(query_norm, each.query);
    each.key = normed(key_norm, each.key);
  }
  if (rotation) {
    const RopeTables& angles = pass.rotations.at(*rotation);
    each.query = rope(each.query, angles.cos, angles.sin);
    each.key = rope(each.key, angles.cos, angles.sin);
  }
  const Dropout dropout =
      pass.dropout.at(pass.dropout.rates.attention_weights, "attention weights", layer);
  const at::Tensor out = pass.cache == nullptr ? attention_packed(each.query, each.key, each.value,
                                                                  pass.offsets, spec, dropout)
                                               : attend_cached(layer, each, pass, spec);
  return output.forward(heads.joined(out));
}

void Attention::parts(PartVisitor& visit) {
  std::visit([&](auto& projection) { projection.parts(visit); }, project);
  visit(output);
  visit(query_norm);
  visit(key_norm);
}

Kept Attention::kept() const {
  const std::int64_t queries = heads.queries * heads.width, keys = heads.keys * heads.width;
  Kept kept{2 * queries + 2 * keys, heads.queries};  // rotated q and k, v, the output; softmax sums
  if (query_norm.exists()) kept += {queries + keys, heads.queries + heads.keys};
  return kept;
}

std::vector<SharedInput> Attention::inputs() const {
  return {{std::visit([](const auto& projection) { return projection.layers(); }, project)},
          {{&output}, true}};
}

}  // namespace svtune
