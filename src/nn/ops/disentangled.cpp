#include "nn/ops/disentangled.h"

#include <cmath>

#include "libtorch/autograd.h"
#include "libtorch/prelude.h"
#include "nn/ops/attention_rows.h"

namespace svtune {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor rows_first(const at::Tensor& x, at::ScalarType dtype) {
  return x.transpose(0, 1).to(dtype);
}

double scale_of(const at::Tensor& query) {
  return 1.0 / std::sqrt(3.0 * static_cast<double>(query.size(-1)));
}

// [queries, keys] of the queries from `begin` on.
at::Tensor distances(std::int64_t begin, std::int64_t queries, std::int64_t keys,
                     const at::TensorOptions& options) {
  const auto index = options.dtype(at::kLong);
  return at::arange(begin, begin + queries, index).unsqueeze(1) -
         at::arange(keys, index).unsqueeze(0);
}

// One document, heads first, in the arithmetic type.
struct Document {
  at::Tensor query, key, value;             // [H, T, D]
  at::Tensor position_query, position_key;  // [H, 2 * span, D]
  at::Tensor key_scores;                    // [H, T, 2 * span]: keys with position_query
  at::Tensor row_of_distance;               // [2 T - 1]: of -(T - 1) .. T - 1
  double scale = 1;

  Document(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
           const at::Tensor& position_q, const at::Tensor& position_k, const DisentangledSpec& spec)
      : query(heads_first(q)),
        key(heads_first(k)),
        value(heads_first(v)),
        position_query(position_q),
        position_key(position_k),
        key_scores(at::bmm(key, position_query.transpose(1, 2))),
        scale(scale_of(q)) {
    const std::int64_t length = q.size(0);
    const auto index = q.options().dtype(at::kLong);
    row_of_distance = position_rows(at::arange(1 - length, length, index), spec);
  }

  std::int64_t length() const { return query.size(1); }
  std::int64_t heads() const { return query.size(0); }

  // [H, count, T]: rows of the position table.
  at::Tensor rows(std::int64_t begin, std::int64_t count) const {
    const at::Tensor places =
        distances(begin, count, length(), query.options()).add_(length() - 1).view(-1);
    return row_of_distance.index_select(0, places)
        .view({1, count, length()})
        .expand({heads(), count, length()});
  }

  // Scores [H, count, T] of queries [H, count, D].
  at::Tensor scores(const at::Tensor& queries, const at::Tensor& rows) const {
    at::Tensor sum = at::bmm(queries, key.transpose(1, 2));
    sum.add_(at::bmm(queries, position_key.transpose(1, 2)).gather(2, rows));
    sum.add_(key_scores.gather(2, rows.transpose(1, 2)).transpose(1, 2));
    return sum.mul_(scale);
  }
};

struct DisentangledOutput {
  at::Tensor output;   // [H, T, D]
  at::Tensor log_sum;  // [H, T]
};

DisentangledOutput attend(const Document& document, const Dropout& dropout) {
  std::vector<at::Tensor> outputs, log_sums;
  for (std::int64_t begin = 0; begin < document.length(); begin += kQueryBlock) {
    const std::int64_t count = std::min(kQueryBlock, document.length() - begin);
    const at::Tensor queries = document.query.narrow(1, begin, count);
    at::Tensor scores = document.scores(queries, document.rows(begin, count));
    const at::Tensor top = scores.amax(-1, /*keepdim=*/true);
    const at::Tensor weights = scores.sub_(top).exp_();
    const at::Tensor sum = weights.sum(-1, /*keepdim=*/true);
    if (dropout.active()) weights.mul_(dropout_mask(weights, dropout.at(begin)));
    outputs.push_back(at::bmm(weights, document.value).div_(sum));
    log_sums.push_back((top + sum.log()).squeeze(-1));
  }
  if (outputs.size() == 1) return {outputs[0], log_sums[0]};
  return {at::cat(outputs, 1), at::cat(log_sums, 1)};
}

struct DisentangledGrads {
  at::Tensor query, key, value;             // [H, T, D]
  at::Tensor position_query, position_key;  // [H, 2 * span, D]
};

DisentangledGrads attend_backward(const Document& document, const DisentangledOutput& saved,
                                  const at::Tensor& grad_out, const Dropout& dropout) {
  DisentangledGrads grads{at::empty_like(document.query), at::zeros_like(document.key),
                          at::zeros_like(document.value), at::Tensor(),
                          at::zeros_like(document.position_key)};
  at::Tensor grad_key_scores = at::zeros_like(document.key_scores);
  for (std::int64_t begin = 0; begin < document.length(); begin += kQueryBlock) {
    const std::int64_t count = std::min(kQueryBlock, document.length() - begin);
    const auto part = [&](const at::Tensor& x) { return x.narrow(1, begin, count); };
    const at::Tensor queries = part(document.query), grad = part(grad_out);
    const at::Tensor rows = document.rows(begin, count);
    const at::Tensor weights =
        document.scores(queries, rows).sub_(part(saved.log_sum).unsqueeze(-1)).exp_();
    at::Tensor mask;
    if (dropout.active()) mask = dropout_mask(weights, dropout.at(begin));
    grads.value.add_(at::bmm((mask.defined() ? weights * mask : weights).transpose(1, 2), grad));
    const at::Tensor row_dot = (grad * part(saved.output)).sum(-1, /*keepdim=*/true);
    const at::Tensor grad_scores = at::bmm(grad, document.value.transpose(1, 2));
    if (mask.defined()) grad_scores.mul_(mask);
    grad_scores.sub_(row_dot).mul_(weights).mul_(document.scale);
    // What each query and each key gave to a row of the table.
    at::Tensor by_row =
        at::zeros({document.heads(), count, document.position_key.size(1)}, grad_scores.options());
    by_row.scatter_add_(2, rows, grad_scores);
    grad_key_scores.scatter_add_(2, rows.transpose(1, 2), grad_scores.transpose(1, 2));
    part(grads.query)
        .copy_(at::bmm(grad_scores, document.key).add_(at::bmm(by_row, document.position_key)));
    grads.key.add_(at::bmm(grad_scores.transpose(1, 2), queries));
    grads.position_key.add_(at::bmm(by_row.transpose(1, 2), queries));
  }
  grads.key.add_(at::bmm(grad_key_scores, document.position_query));
  grads.position_query = at::bmm(grad_key_scores.transpose(1, 2), document.key);
  return grads;
}

struct Disentangled : torch::autograd::Function<Disentangled> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k,
                            const at::Tensor& v, const at::Tensor& position_q,
                            const at::Tensor& position_k, const std::vector<std::int64_t>& offsets,
                            const DisentangledSpec& spec, const Dropout& dropout) {
    at::Tensor out = at::empty(q.sizes(), q.options());
    at::Tensor log_sum = at::empty({q.size(0), q.size(1)}, q.options().dtype(arithmetic_type(q)));
    const at::Tensor table_q = heads_first(position_q), table_k = heads_first(position_k);
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], length = offsets[s + 1] - begin;
      if (length == 0) continue;
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, length); };
      const DisentangledOutput document =
          attend(Document(part(q), part(k), part(v), table_q, table_k, spec),
                 dropout.at(static_cast<std::int64_t>(s)));
      part(out).copy_(document.output.transpose(0, 1));
      part(log_sum).copy_(document.log_sum.transpose(0, 1));
    }
    ctx->save_for_backward({q, k, v, position_q, position_k, out, log_sum});
    ctx->saved_data["offsets"] = offsets;
    ctx->saved_data["max_distance"] = spec.max_distance;
    ctx->saved_data["buckets"] = spec.buckets;
    ctx->saved_data["dropout"] = dropout.probability;
    ctx->saved_data["seed"] = static_cast<std::int64_t>(dropout.seed);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<std::int64_t> offsets = ctx->saved_data["offsets"].toIntVector();
    const DisentangledSpec spec{ctx->saved_data["max_distance"].toInt(),
                                ctx->saved_data["buckets"].toInt()};
    const Dropout dropout{ctx->saved_data["dropout"].toDouble(),
                          static_cast<std::uint64_t>(ctx->saved_data["seed"].toInt())};
    const at::ScalarType dtype = saved[0].scalar_type();
    at::Tensor grad_q = at::zeros_like(saved[0]), grad_k = at::zeros_like(saved[1]),
               grad_v = at::zeros_like(saved[2]);
    const at::Tensor table_q = heads_first(saved[3]), table_k = heads_first(saved[4]);
    at::Tensor grad_table_q = at::zeros_like(table_q), grad_table_k = at::zeros_like(table_k);
    for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
      const std::int64_t begin = offsets[s], length = offsets[s + 1] - begin;
      if (length == 0) continue;
      const auto part = [&](const at::Tensor& x) { return x.narrow(0, begin, length); };
      const DisentangledGrads document = attend_backward(
          Document(part(saved[0]), part(saved[1]), part(saved[2]), table_q, table_k, spec),
          {heads_first(part(saved[5])), part(saved[6]).transpose(0, 1)},
          heads_first(part(grads[0])), dropout.at(static_cast<std::int64_t>(s)));
      part(grad_q).copy_(document.query.transpose(0, 1));
      part(grad_k).copy_(document.key.transpose(0, 1));
      part(grad_v).copy_(document.value.transpose(0, 1));
      grad_table_q.add_(document.position_query);
      grad_table_k.add_(document.position_key);
    }
    return {grad_q,
            grad_k,
            grad_v,
            rows_first(grad_table_q, dtype),
            rows_first(grad_table_k, dtype),
            at::Tensor(),
            at::Tensor(),
            at::Tensor()};
  }
};

}  // namespace

at::Tensor position_rows(const at::Tensor& distances, const DisentangledSpec& spec) {
  at::Tensor places = distances;
  if (spec.buckets > 0) {
    const std::int64_t middle = spec.buckets / 2;
    const at::Tensor size = distances.abs();
    // In fp32 and in this order: another rounding moves a boundary by one token.
    const at::Tensor relative =
        at::log(at::clamp_min(size, middle - 1).to(at::kFloat) / static_cast<float>(middle));
    const at::Tensor largest = at::log(
        at::scalar_tensor(static_cast<double>(spec.max_distance - 1) / static_cast<double>(middle),
                          relative.options()));
    const at::Tensor shared =
        at::ceil(relative / largest * static_cast<float>(middle - 1)) + static_cast<float>(middle);
    places = at::where(size <= middle, distances,
                       (shared * distances.sign().to(at::kFloat)).to(at::kLong));
  }
  return at::clamp(places + spec.span(), 0, 2 * spec.span() - 1);
}

at::Tensor disentangled_attention(const DisentangledInputs& inputs,
                                  const std::vector<std::int32_t>& offsets,
                                  const DisentangledSpec& spec, const Dropout& dropout) {
  return Disentangled::apply(
      inputs.query, inputs.key, inputs.value, inputs.position_query, inputs.position_key,
      std::vector<std::int64_t>(offsets.begin(), offsets.end()), spec, dropout);
}

at::Tensor disentangled_reference(const DisentangledInputs& inputs, const DisentangledSpec& spec) {
  const auto wide = [](const at::Tensor& x) { return x.to(arithmetic_type(x)).transpose(0, 1); };
  const at::Tensor query = wide(inputs.query), key = wide(inputs.key);
  const std::int64_t length = query.size(1), width = query.size(2), heads = query.size(0);
  const at::Tensor rows =
      position_rows(distances(0, length, length, query.options()).view(-1), spec);
  // A vector for each pair of tokens: [H, T, T, D].
  const auto of_pairs = [&](const at::Tensor& table) {
    return wide(table).index_select(1, rows).view({heads, length, length, width});
  };
  at::Tensor scores = at::matmul(query, key.transpose(1, 2));
  scores = scores + (query.unsqueeze(2) * of_pairs(inputs.position_key)).sum(-1);
  scores = scores + (key.unsqueeze(1) * of_pairs(inputs.position_query)).sum(-1);
  return at::matmul(at::softmax(scores * scale_of(inputs.query), -1), wide(inputs.value))
      .transpose(0, 1)
      .to(inputs.query.scalar_type());
}

}  // namespace svtune
