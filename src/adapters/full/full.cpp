#include "adapters/full/full.h"

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "nn/ops/low_rank.h"

namespace svtune {

FullAdapter::FullAdapter(const at::Tensor& weight, at::ScalarType compute_dtype,
                         std::optional<std::uint64_t> seed)
    : weight_(weight.requires_grad_(true)), compute_dtype_(compute_dtype), seed_(seed) {
  remake_copy();
}

void FullAdapter::refresh(const BaseWeight&) { remake_copy(); }

void FullAdapter::remake_copy() {
  // Shares the master's storage when the dtypes agree.
  const at::Tensor master = weight_.detach();
  compute_copy_ =
      seed_ ? round_stochastically(master, compute_dtype_, *seed_) : master.to(compute_dtype_);
}

at::Tensor FullAdapter::forward(const at::Tensor& x, const BaseWeight&) {
  return trainable_linear(x, compute_copy_, weight_);
}

at::Tensor FullAdapter::merged_weight(const BaseWeight&) const { return weight_.detach(); }

std::vector<Trainable> FullAdapter::trainables() { return {{"weight", weight_, {}}}; }

AdapterMemory FullAdapter::memory(std::int64_t) const {
  AdapterMemory memory;
  const bool copied = weight_.scalar_type() != compute_dtype_;
  if (copied) memory.held_bytes = static_cast<std::int64_t>(compute_copy_.nbytes());
  memory.gradient_bytes = static_cast<std::int64_t>(weight_.nbytes()) + memory.held_bytes;
  return memory;
}

MethodTraits traits(const FullConfig& config) {
  // The copies that compute are rounded so whatever is kept of the update, see make_adapter().
  const bool nearest = config.rounding == Rounding::kNearest;
  return {.trains_matrix = true,
          .needs_dense_base = true,
          .rounding = nearest ? Rounding::kNearest : Rounding::kStochastic,
          .biases_alone = config.part == FullPart::kBiases,
          .head_alone = config.part == FullPart::kHead};
}

void check_layer(const FullConfig&, const LayerSite& site) {
  if (!site.base.quantized()) return;
  throw ModelError(site.name + ": a quantised matrix cannot train as a whole",
                   "Give the original model, or train a LoRA on this one.");
}

AdapterInit make_adapter(const FullConfig& config, const LayerSite& site) {
  check_layer(config, site);
  AdapterInit init;
  // A fresh copy: the base may be a read-only view of the user's file.
  const at::ScalarType high = site.base.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor master = site.base.dense().to(high, /*non_blocking=*/false, /*copy=*/true);
  std::optional<std::uint64_t> seed;
  if (config.rounding != Rounding::kNearest) seed = rounding_seed(0, site.name + ".weight");
  init.adapter = std::make_unique<FullAdapter>(master, site.base.dtype(), seed);
  init.releases_base = true;
  return init;
}

AdapterInit make_empty_adapter(const FullConfig& config, const LayerSite& site) {
  return make_adapter(config, site);
}

QuantizedStart<FullConfig> quantized_start(const FullConfig&) {
  throw UsageError("full fine-tuning trains the matrices that --base-dtype would quantise",
                   "Leave out --base-dtype, or choose another method.");
}

}  // namespace svtune
