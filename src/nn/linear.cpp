#include "nn/linear.h"

#include <optional>
#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {

Linear::Linear(std::string name, BaseWeight base, at::Tensor bias)
    : name_(std::move(name)),
      in_features_(base.in_features()),
      out_features_(base.out_features()),
      base_(std::move(base)),
      bias_(std::move(bias)) {}

at::Tensor Linear::forward(const at::Tensor& x) {
  return with_bias(adapter_ ? adapter_->forward(x, base_) : base_.matmul(x));
}

at::Tensor Linear::with_bias(const at::Tensor& y) const {
  if (!bias_.defined()) return y;
  return y + (bias_.scalar_type() == y.scalar_type() ? bias_ : bias_.to(y.scalar_type()));
}

void Linear::attach(std::unique_ptr<Adapter> adapter) {
  if (adapter_) throw ModelError(name_ + ": the layer already carries an adapter");
  adapter_ = std::move(adapter);
}

std::unique_ptr<Adapter> Linear::detach() { return std::move(adapter_); }

void Linear::replace_base(BaseWeight base) {
  if (base.in_features() != in_features_ || base.out_features() != out_features_) {
    throw ModelError(name_ + ": a replacement weight must keep the shape [" +
                     std::to_string(out_features_) + ", " + std::to_string(in_features_) + "]");
  }
  base_ = std::move(base);
}

at::Tensor Linear::effective_weight() const {
  return adapter_ ? adapter_->merged_weight(base_) : base_.dense_high_precision();
}

namespace {

// Of fewer rows, as in generation, there is nothing to gain.
constexpr std::int64_t kFewestRowsTogether = 32;

std::optional<LowRankTerms> shared_terms(const Linear& layer, const at::Tensor& x) {
  if (layer.adapter() == nullptr || x.size(0) < kFewestRowsTogether) return std::nullopt;
  return layer.adapter()->low_rank_terms(x);
}

}  // namespace

std::vector<at::Tensor> forward_together(const std::vector<Linear*>& layers, const at::Tensor& x) {
  std::vector<at::Tensor> outputs(layers.size());
  std::vector<LowRankLayer> together;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::optional<LowRankTerms> terms = shared_terms(*layers[i], x);
    if (!terms) {
      outputs[i] = layers[i]->forward(x);
      continue;
    }
    together.push_back({layers[i]->base(), std::move(*terms)});
    places.push_back(i);
  }
  if (together.empty()) return outputs;
  const std::vector<at::Tensor> products = low_rank_linears(x, together);
  for (std::size_t i = 0; i < places.size(); ++i) {
    outputs[places[i]] = layers[places[i]]->with_bias(products[i]);
  }
  return outputs;
}

std::vector<std::string> names_of(const std::vector<Linear*>& layers) {
  std::vector<std::string> names;
  for (const Linear* layer : layers) names.push_back(layer->name());
  return names;
}

}  // namespace svtune
