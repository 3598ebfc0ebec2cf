#include "adapters/full/full.h"

#include "base/errors.h"
#include "linalg/torch_pch.h"
#include "nn/ops/low_rank.h"

namespace svtune {

FullAdapter::FullAdapter(at::Tensor weight, at::ScalarType compute_dtype)
    : weight_(weight.requires_grad_(true)), compute_dtype_(compute_dtype) {
  refresh();
}

void FullAdapter::refresh() {
  // Shares the master's storage when the dtypes agree.
  compute_copy_ = weight_.detach().to(compute_dtype_);
}

at::Tensor FullAdapter::forward(const at::Tensor& x, const BaseWeight&) {
  return trainable_linear(x, compute_copy_, weight_);
}

at::Tensor FullAdapter::merged_weight(const BaseWeight&) const { return weight_.detach(); }

std::vector<Trainable> FullAdapter::trainables() { return {{"weight", weight_, {}}}; }

AdapterInit make_adapter(const FullConfig&, const LayerSite& site) {
  if (site.base.quantized()) {
    throw ModelError(site.name + ": a quantised matrix cannot train as a whole",
                     "Give the original model, or train a LoRA on this one.");
  }
  AdapterInit init;
  // A fresh copy: the base may be a read-only view of the user's file.
  init.adapter = std::make_unique<FullAdapter>(site.base.dense_high_precision().clone(),
                                               site.base.dtype());
  init.releases_base = true;
  return init;
}

AdapterInit make_empty_adapter(const FullConfig& config, const LayerSite& site) {
  return make_adapter(config, site);
}

}  // namespace svtune
