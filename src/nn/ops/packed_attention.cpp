#include "nn/ops/packed_attention.h"

#include <utility>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/attention_rows.h"
#include "nn/ops/fused_attention.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One query block of one document: its rows, the keys it can see, and its mask.
struct Tile {
  std::int64_t query_begin, query_count;  // relative to the document
  std::int64_t key_begin, key_count;
};

// `length` queries behind `past` keys.
std::vector<Tile> tiles_of(std::int64_t past, std::int64_t length, const AttentionSpec& spec) {
  const std::int64_t window = spec.window, keys = past + length;
  std::vector<Tile> tiles;
  for (std::int64_t begin = 0; begin < length; begin += kQueryBlock) {
    const std::int64_t count = std::min(kQueryBlock, length - begin);
    const std::int64_t first =
        window > 0 ? std::max<std::int64_t>(0, past + begin - window + 1) : 0;
    std::int64_t last = past + begin + count;
    if (!spec.causal) last = window > 0 ? std::min(keys, last + window - 1) : keys;
    tiles.push_back({begin, count, first, last - first});
  }
  return tiles;
}

// Additive mask [query_count, key_count]: 0 where visible, -inf elsewhere; undefined where all is.
at::Tensor tile_mask(const Tile& tile, std::int64_t past, const AttentionSpec& spec,
                     const at::TensorOptions& options) {
  const std::int64_t window = spec.window;
  if (!spec.causal && window == 0) return {};
  const auto index = options.dtype(at::kLong);
  const at::Tensor query =
      at::arange(past + tile.query_begin, past + tile.query_begin + tile.query_count, index)
          .unsqueeze(1);
  const at::Tensor key =
      at::arange(tile.key_begin, tile.key_begin + tile.key_count, index).unsqueeze(0);
  at::Tensor hidden = spec.causal ? key > query : key >= query + window;
  if (window > 0) hidden = at::logical_or(hidden, key <= query - window);
  return at::zeros(hidden.sizes(), options)
      .masked_fill_(hidden, -std::numeric_limits<double>::infinity());
}

// [T, H, D] -> [G, H/G * T, D] in the arithmetic type: one matrix per key head.
at::Tensor group_queries(const at::Tensor& x, std::int64_t groups) {
  const std::int64_t length = x.size(0), per_group = x.size(1) / groups, width = x.size(2);
  return x.to(arithmetic_type(x))
      .view({length, groups, per_group, width})
      .permute({1, 2, 0, 3})
      .reshape({groups, per_group * length, width});
}

// Inverse of group_queries.
at::Tensor ungroup_queries(const at::Tensor& x, std::int64_t length) {
  const std::int64_t groups = x.size(0), per_group = x.size(1) / length, width = x.size(2);
  return x.view({groups, per_group, length, width})
      .permute({2, 0, 1, 3})
      .reshape({length, groups * per_group, width});
}

// Scores of a tile [G, H/G * T, keys], soft-capped, before the mask.
at::Tensor capped_scores(const at::Tensor& query, const at::Tensor& key,
                         const AttentionSpec& spec) {
  at::Tensor scores = at::bmm(query, key.transpose(1, 2)).mul_(spec.scale);
  if (spec.softcap > 0) scores.div_(spec.softcap).tanh_().mul_(spec.softcap);
  return scores;
}

void add_mask(at::Tensor& scores, const at::Tensor& mask) {
  if (!mask.defined()) return;
  scores.view({scores.size(0), -1, mask.size(0), mask.size(1)}).add_(mask);
}

struct DocumentForward {
  at::Tensor output;   // [T, H, D] in the input dtype
  at::Tensor log_sum;  // [T, H] arithmetic type: log of the softmax denominator
};

DocumentForward attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                       std::int64_t past, const AttentionSpec& spec, const Dropout& dropout = {}) {
  const std::int64_t groups = k.size(1);
  const at::Tensor key = heads_first(k), value = heads_first(v);
  std::vector<at::Tensor> outputs, log_sums;
  for (const Tile& tile : tiles_of(past, q.size(0), spec)) {
    const at::Tensor query = group_queries(q.narrow(0, tile.query_begin, tile.query_count), groups);
    at::Tensor scores = capped_scores(query, key.narrow(1, tile.key_begin, tile.key_count), spec);
    add_mask(scores, tile_mask(tile, past, spec, scores.options()));
    const at::Tensor top = scores.amax(-1, /*keepdim=*/true);
    const at::Tensor weights = scores.sub_(top).exp_();
    const at::Tensor sum = weights.sum(-1, /*keepdim=*/true);
    const at::Tensor log_sum = top + sum.log();
    if (dropout.active()) weights.mul_(dropout_mask(weights, dropout.at(tile.query_begin)));
    const at::Tensor out =
        at::bmm(weights, value.narrow(1, tile.key_begin, tile.key_count)).div_(sum);
    outputs.push_back(ungroup_queries(out, tile.query_count).to(q.scalar_type()));
    log_sums.push_back(ungroup_queries(log_sum, tile.query_count).squeeze(-1));
  }
  if (outputs.size() == 1) return {outputs[0], log_sums[0]};
  return {at::cat(outputs, 0), at::cat(log_sums, 0)};
}

struct DocumentGrads {
  at::Tensor query, key, value;  // shapes of the inputs, input dtype
};

DocumentGrads attend_backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const DocumentForward& saved, const at::Tensor& grad_out,
                              const AttentionSpec& spec, const Dropout& dropout) {
  const std::int64_t groups = k.size(1), length = q.size(0);
  const at::Tensor key = heads_first(k), value = heads_first(v);
  at::Tensor grad_key = at::zeros_like(key), grad_value = at::zeros_like(value);
  std::vector<at::Tensor> grad_queries;
  for (const Tile& tile : tiles_of(0, length, spec)) {
    const auto rows = [&](const at::Tensor& x) {
      return group_queries(x.narrow(0, tile.query_begin, tile.query_count), groups);
    };
    const at::Tensor query = rows(q), out = rows(saved.output), grad = rows(grad_out);
    const at::Tensor keys = key.narrow(1, tile.key_begin, tile.key_count);
    const at::Tensor values = value.narrow(1, tile.key_begin, tile.key_count);
    at::Tensor scores = capped_scores(query, keys, spec);
    at::Tensor cap_slope;  // d(capped) / d(raw) = 1 - tanh^2
    if (spec.softcap > 0) cap_slope = 1.0 - (scores / spec.softcap).square();
    add_mask(scores, tile_mask(tile, 0, spec, scores.options()));
    const at::Tensor weights = scores.sub_(rows(saved.log_sum.unsqueeze(-1))).exp_();
    at::Tensor mask;
    if (dropout.active()) mask = dropout_mask(weights, dropout.at(tile.query_begin));
    grad_value.narrow(1, tile.key_begin, tile.key_count)
        .add_(at::bmm((mask.defined() ? weights * mask : weights).transpose(1, 2), grad));
    const at::Tensor row_dot = (grad * out).sum(-1, /*keepdim=*/true);
    at::Tensor grad_scores = at::bmm(grad, values.transpose(1, 2));
    if (mask.defined()) grad_scores.mul_(mask);
    grad_scores.sub_(row_dot).mul_(weights).mul_(spec.scale);
    if (cap_slope.defined()) grad_scores.mul_(cap_slope);
    grad_queries.push_back(
        ungroup_queries(at::bmm(grad_scores, keys), tile.query_count).to(q.scalar_type()));
    grad_key.narrow(1, tile.key_begin, tile.key_count)
        .add_(at::bmm(grad_scores.transpose(1, 2), query));
  }
  const auto rows_first = [&](const at::Tensor& x) {
    return x.transpose(0, 1).to(q.scalar_type());
  };
  return {grad_queries.size() == 1 ? grad_queries[0] : at::cat(grad_queries, 0),
          rows_first(grad_key), rows_first(grad_value)};
}

// Whether the fused operator serves a document: no window cuts into it, no soft cap, no dropout.
// fp64 stays with the tiles, whose exponentials are exact to its last digits.
bool is_fused(const at::Tensor& q, const AttentionSpec& spec, const Dropout& dropout) {
  const bool whole = spec.window == 0 || spec.window >= q.size(0);
  return q.is_cpu() && q.scalar_type() != at::kDouble && whole && spec.softcap == 0 &&
         !dropout.active();
}

DocumentForward attend_packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const AttentionSpec& spec, const Dropout& dropout) {
  if (!is_fused(q, spec, dropout)) return attend(q, k, v, 0, spec, dropout);
  FusedAttention part = fused_attention(q, k, v, spec.scale, spec.causal);
  return {std::move(part.output), std::move(part.log_sum)};
}

DocumentGrads attend_packed_backward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                     const DocumentForward& saved, const at::Tensor& grad_out,
                                     const AttentionSpec& spec, const Dropout& dropout) {
  if (!is_fused(q, spec, dropout)) {
    return attend_backward(q, k, v, saved, grad_out, spec, dropout);
  }
  FusedAttentionGrads grads = fused_attention_backward(q, k, v, {saved.output, saved.log_sum},
                                                       grad_out, spec.scale, spec.causal);
  return {std::move(grads.query), std::move(grads.key), std::move(grads.value)};
}

AttentionSpec spec_from(AutogradContext* ctx) {
  return {ctx->saved_data["scale"].toDouble(), ctx->saved_data["softcap"].toDouble(),
          ctx->saved_data["window"].toInt(), ctx->saved_data["causal"].toBool()};
}

Dropout dropout_from(AutogradContext* ctx) {
  return {ctx->saved_data["dropout"].toDouble(),
          static_cast<std::uint64_t>(ctx->saved_data["seed"].toInt())};
}

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const std::vector<std::int64_t>& offsets,
                            const AttentionSpec& spec, const Dropout& dropout) {
    at::Tensor out = at::empty(q.sizes(), q.options());
    at::Tensor log_sum = at::empty({q.size(0), q.size(1)}, q.options().dtype(arithmetic_type(q)));
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], length = offsets[s + 1] - begin;
      if (length == 0) continue;
      const DocumentForward part =
          attend_packed(q.narrow(0, begin, length), k.narrow(0, begin, length),
                        v.narrow(0, begin, length), spec, dropout.at(static_cast<std::int64_t>(s)));
      out.narrow(0, begin, length).copy_(part.output);
      log_sum.narrow(0, begin, length).copy_(part.log_sum);
    }
    ctx->save_for_backward({q, k, v, out, log_sum});
    ctx->saved_data["offsets"] = offsets;
    ctx->saved_data["scale"] = spec.scale;
    ctx->saved_data["softcap"] = spec.softcap;
    ctx->saved_data["window"] = spec.window;
    ctx->saved_data["causal"] = spec.causal;
    ctx->saved_data["dropout"] = dropout.probability;
    ctx->saved_data["seed"] = static_cast<std::int64_t>(dropout.seed);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<std::int64_t> offsets = ctx->saved_data["offsets"].toIntVector();
    const AttentionSpec spec = spec_from(ctx);
    const Dropout dropout = dropout_from(ctx);
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_q = at::zeros_like(saved[0]), grad_k = at::zeros_like(saved[1]),
               grad_v = at::zeros_like(saved[2]);
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], length = offsets[s + 1] - begin;
      if (length == 0) continue;
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, length); };
      const DocumentGrads document = attend_packed_backward(
          part(saved[0]), part(saved[1]), part(saved[2]), {part(saved[3]), part(saved[4])},
          part(grad), spec, dropout.at(static_cast<std::int64_t>(s)));
      part(grad_q).copy_(document.query);
      part(grad_k).copy_(document.key);
      part(grad_v).copy_(document.value);
    }
    return {grad_q, grad_k, grad_v, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor attention_packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const std::vector<std::int32_t>& offsets, const AttentionSpec& spec,
                            const Dropout& dropout) {
  return PackedAttention::apply(q, k, v, std::vector<std::int64_t>(offsets.begin(), offsets.end()),
                                spec, dropout);
}

at::Tensor attention_cached(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            std::int64_t past, const AttentionSpec& spec) {
  return attend(q, k, v, past, spec).output;
}

at::Tensor attention_reference(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               std::int64_t past, const AttentionSpec& spec) {
  const std::int64_t repeat = q.size(1) / k.size(1);
  const auto wide = [](const at::Tensor& x) { return x.to(arithmetic_type(x)).transpose(0, 1); };
  const at::Tensor key = wide(k).repeat_interleave(repeat, 0);
  const at::Tensor value = wide(v).repeat_interleave(repeat, 0);
  at::Tensor scores = at::matmul(wide(q), key.transpose(1, 2)) * spec.scale;
  if (spec.softcap > 0) scores = at::tanh(scores / spec.softcap) * spec.softcap;
  const Tile whole{0, q.size(0), 0, k.size(0)};
  const at::Tensor mask = tile_mask(whole, past, spec, scores.options());
  if (mask.defined()) scores = scores + mask;
  return at::matmul(at::softmax(scores, -1), value).transpose(0, 1).to(q.scalar_type());
}

}  // namespace svtune
