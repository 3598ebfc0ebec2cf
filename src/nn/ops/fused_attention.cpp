#include "nn/ops/fused_attention.h"

#include "libtorch/prelude.h"

namespace svtune {
namespace {

// The operator takes [batch, heads, T, D] with any strides. Key heads stand in the place of the
// batch, and the query heads of one share its keys by a stride of zero: nothing is repeated.
at::Tensor by_key_head(const at::Tensor& x,
                       std::int64_t groups) {  // [T, H, ...] -> [G, H/G, T, ...]
  return x.to(at::kFloat).unflatten(1, {groups, x.size(1) / groups}).movedim(0, 2);
}

at::Tensor rows_first(const at::Tensor& x) {  // [G, H/G, T, ...] -> [T, H, ...]
  return x.movedim(2, 0).flatten(1, 2);
}

at::Tensor shared(const at::Tensor& x, std::int64_t queries) {  // [T, G, D] -> [G, H/G, T, D]
  return x.to(at::kFloat).transpose(0, 1).unsqueeze(1).expand({-1, queries / x.size(1), -1, -1});
}

// [G, H/G, T, D] -> [T, G, D]
at::Tensor gathered(const at::Tensor& grad) {
  return (grad.size(1) == 1 ? grad.squeeze(1) : grad.sum(1)).transpose(0, 1);
}

}  // namespace

FusedAttention fused_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                               double scale, bool causal) {
  const std::int64_t queries = q.size(1);
  const at::Tensor query = by_key_head(q, k.size(1)), key = shared(k, queries);
  const auto [output, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(
      query, key, shared(v, queries), /*dropout_p=*/0.0, causal, /*attn_mask=*/std::nullopt, scale);
  // The operator turns rows whose scores are all NaN into zeros; each token sees its own key.
  output.add_(query, /*alpha=*/0).add_(key, /*alpha=*/0);
  return {rows_first(output), rows_first(log_sum)};
}

FusedAttentionGrads fused_attention_backward(const at::Tensor& q, const at::Tensor& k,
                                             const at::Tensor& v, const FusedAttention& saved,
                                             const at::Tensor& grad, double scale, bool causal) {
  const std::int64_t queries = q.size(1), groups = k.size(1);
  const auto [grad_query, grad_key, grad_value] =
      at::_scaled_dot_product_flash_attention_for_cpu_backward(
          by_key_head(grad, groups), by_key_head(q, groups), shared(k, queries), shared(v, queries),
          by_key_head(saved.output, groups), by_key_head(saved.log_sum, groups), /*dropout_p=*/0.0,
          causal, /*attn_mask=*/std::nullopt, scale);
  return {rows_first(grad_query), gathered(grad_key), gathered(grad_value)};
}

}  // namespace svtune
