#include "adapters/lora/lora.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adapters/lora/preconditioner.h"
#include "adapters/low_rank/low_rank_adapter.h"
#include "adapters/low_rank/peft_lora.h"
#include "base/errors.h"
#include "base/random.h"
#include "libtorch/prelude.h"
#include "linalg/lapack.h"

namespace svtune {
namespace {

// B0A0 is not zero, and the layer computes W + s (BA - B0A0).
bool takes_from_base(const LoraConfig& config) {
  const LoraInit init = config.init;
  return init == LoraInit::kOlora || init == LoraInit::kCorda || init == LoraInit::kLoraGa ||
         (init == LoraInit::kLoraOne && !config.first_step);
}

// The layer computes that, whether B0A0 is zero or not.
bool keeps_start(const LoraConfig& config) {
  return takes_from_base(config) || config.init == LoraInit::kOrthogonal;
}

AdapterInit finish(const LowRankShape& shape, const LoraConfig& config, const LayerSite& site,
                   const at::Tensor& A, const at::Tensor& B, const at::Tensor& A0 = {},
                   const at::Tensor& B0 = {}) {
  const LowRankOptions options{.scaling = shape.scaling,
                               .dropout = config.low_rank.dropout,
                               .compute_dtype = site.base.dtype(),
                               .b_rate_ratio = config.b_rate_ratio};
  auto adapter = std::make_unique<LowRankAdapter>(A, B, options, A0, B0);
  if (auto* const state = dynamic_cast<LoraPreconditioner*>(site.state.get())) {
    state->join(site.name, adapter->A(), adapter->B());
  }
  AdapterInit init;
  init.adapter = std::move(adapter);
  init.report["rank"] = shape.rank;
  return init;
}

at::Tensor zero_B(const LowRankShape& shape, const LayerSite& site) {
  return at::zeros({site.base.out_features(), shape.rank}, factor_options(site.base));
}

// The difference form, from A0 and B0.
AdapterInit finish_from(const LowRankShape& shape, const LoraConfig& config, const LayerSite& site,
                        const at::Tensor& A0, const at::Tensor& B0) {
  return finish(shape, config, site, A0.clone(), B0.clone(), A0, B0);
}

// B0 = the first r columns of Q in W = Q R, which those of W alone decide, and A0 = B0ᵀ W = R's
// first rows. OLoRA 2406.01775 section 3, whose factors do not depend on the scaling.
AdapterInit start_at_qr(const LowRankShape& shape, const LoraConfig& config,
                        const LayerSite& site) {
  const at::Tensor W = site.base.dense_high_precision();
  const at::Tensor B0 = lapack::qr(W.narrow(1, 0, shape.rank).contiguous()).Q;
  const at::TensorOptions options = factor_options(site.base);
  return finish_from(shape, config, site, at::mm(B0.t(), W).to(options).contiguous(),
                     B0.to(options).contiguous());
}

// Rows of A in equal pairs, columns of B in opposite ones: B A = 0 in any dtype. Large factors lose
// small changes when they are rounded to 16 bits, so that these too train as a difference from
// their start.
AdapterInit start_orthogonal(const LowRankShape& shape, const LoraConfig& config,
                             const LayerSite& site) {
  const std::int64_t pairs = shape.rank / 2;
  const double deviation = 0.1 / std::sqrt(2.0);
  Xoshiro256 random(site.seed);
  const auto draw = [&](std::int64_t length) {
    std::vector<float> values(static_cast<std::size_t>(pairs * length));
    for (float& value : values) value = static_cast<float>(random.normal() * deviation);
    return at::tensor(values, at::TensorOptions().dtype(at::kFloat))
        .view({pairs, 1, length})
        .to(factor_options(site.base));
  };
  const std::int64_t in = site.base.in_features(), out = site.base.out_features();
  const at::Tensor a = draw(in), b = draw(out);
  return finish_from(shape, config, site, at::cat({a, a}, 1).reshape({shape.rank, in}),
                     at::cat({b, -b}, 1).reshape({shape.rank, out}).t().contiguous());
}

AdapterInit start_at_data(const LowRankShape& shape, const LoraConfig& config,
                          const LayerSite& site) {
  const at::TensorOptions options = factor_options(site.base);
  const at::Tensor A = site.start->down.narrow(0, 0, shape.rank).to(options).contiguous();
  if (config.init == LoraInit::kEva) {
    return finish(shape, config, site, A.clone(), zero_B(shape, site));
  }
  const at::Tensor B = site.start->up.to(options).contiguous();
  if (!takes_from_base(config)) return finish(shape, config, site, A.clone(), B.clone());
  return finish_from(shape, config, site, A, B);
}

bool has_branch_bias(const std::vector<Linear*>& layers) {
  return std::ranges::any_of(layers, [](const Linear* layer) {
    const auto* adapter = dynamic_cast<const LowRankAdapter*>(layer->adapter());
    return adapter != nullptr && adapter->has_branch_bias();
  });
}

void add_branch_bias(Linear& layer) {
  auto& adapter = dynamic_cast<LowRankAdapter&>(*layer.adapter());
  adapter.set_branch_bias(at::zeros({layer.out_features()}, adapter.B().options()));
}

LoraInit lora_init(PeftLoraInit init) {
  if (init == PeftLoraInit::kOlora) return LoraInit::kOlora;
  return init == PeftLoraInit::kGaussian ? LoraInit::kGaussian : LoraInit::kKaiming;
}

}  // namespace

void check_layer(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  if (config.init == LoraInit::kOrthogonal && shape.rank % 2 != 0) {
    throw ModelError(site.name + ": --init orthogonal pairs directions, but the rank is " +
                         std::to_string(shape.rank),
                     "Choose an even --rank.");
  }
  const std::int64_t most = std::min(site.base.out_features(), site.base.in_features());
  if (config.init == LoraInit::kLoraGa && 2 * shape.rank > most) {
    throw ModelError(site.name + ": --init lora_ga takes two triplets for a rank, " +
                         std::to_string(2 * shape.rank) + " of " + std::to_string(most),
                     "Choose a --rank up to " + std::to_string(most / 2) + ".");
  }
}

std::unique_ptr<MethodState> make_state(const LoraConfig& config,
                                        std::span<const LayerSite> sites) {
  if (!config.precondition) return nullptr;
  return std::make_unique<LoraPreconditioner>(sites);
}

AdapterInit make_adapter(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  if (calibration_plan(config)) {
    if (site.start == nullptr) {
      throw ModelError(site.name + ": this start is found on data, of which nothing was given",
                       "Run a pass over some batches first.");
    }
    return start_at_data(shape, config, site);
  }
  if (site.start != nullptr) {
    // s·BA is the given product for every scaling.
    const double root = std::sqrt(shape.scaling / site.start->scale);
    const auto options = factor_options(site.base);
    return finish(shape, config, site, (site.start->down / root).to(options),
                  (site.start->up / root).to(options));
  }
  if (config.init == LoraInit::kLoftq) {
    throw ModelError(site.name + ": LoftQ starts where a base is quantised, not on a given one",
                     "Quantise the model with svtune quantize --start loftq first.");
  }
  if (config.init == LoraInit::kOlora) return start_at_qr(shape, config, site);
  if (config.init == LoraInit::kOrthogonal) return start_orthogonal(shape, config, site);
  const at::Tensor A = config.init == LoraInit::kKaiming ? uniform_factor(site, shape.rank)
                                                         : normal_factor(site, shape.rank);
  return finish(shape, config, site, A, zero_B(shape, site));
}

AdapterInit make_empty_adapter(const LoraConfig& config, const LayerSite& site) {
  const LowRankShape shape = stored_low_rank_shape(config.low_rank, site);
  const at::Tensor A = at::zeros({shape.rank, site.base.in_features()}, factor_options(site.base));
  if (keeps_start(config)) {
    return finish_from(shape, config, site, A, zero_B(shape, site));
  }
  return finish(shape, config, site, A, zero_B(shape, site));
}

QuantizedStart<LoraConfig> quantized_start(const LoraConfig& config) {
  if (config.init != LoraInit::kLoftq) return {};
  return {QuantStart::kLoftq, config.low_rank,
          [ratio = config.b_rate_ratio](const LowRankConfig& low_rank) {
            return LoraConfig{low_rank, LoraInit::kKaiming, ratio};
          }};
}

void check_dense_start(const LoraConfig& config) {
  if (config.init != LoraInit::kLoftq) return;
  throw UsageError("--init loftq repairs what quantisation takes away and needs --base-dtype",
                   "Add --base-dtype nf4, or choose another --init.");
}

std::optional<PeftForm> peft_form(const LoraConfig& config, const std::vector<Linear*>& layers) {
  if (takes_from_base(config)) return std::nullopt;
  PeftLoraKeys keys = peft_lora_keys(config.low_rank, names_of(layers));
  if (config.init == LoraInit::kGaussian) keys.init = PeftLoraInit::kGaussian;
  if (config.init == LoraInit::kEva) keys.init = PeftLoraInit::kEva;
  keys.branch_bias = has_branch_bias(layers);
  if (keys.branch_bias) keys.init = PeftLoraInit::kUniform;
  PeftForm form = peft_lora_form(keys);
  // B0A0 is zero: A and B alone are the LoRA, but not where it started.
  form.complete = config.init != LoraInit::kOrthogonal;
  return form;
}

std::optional<PeftForm> residual_form(const LoraConfig& config,
                                      const std::vector<Linear*>& layers) {
  if (!keeps_start(config)) return std::nullopt;
  return peft_lora_form(peft_lora_keys(config.low_rank, names_of(layers)));
}

std::optional<PeftReading<LoraConfig>> read_peft(PeftKeys& keys, std::type_identity<LoraConfig>) {
  const PeftLoraKind kind = peft_lora_kind(keys);
  if (!kind.lora || kind.dora || kind.pissa || kind.kasa) return std::nullopt;
  const PeftLoraKeys lora = read_peft_lora(keys);
  auto reading = peft_lora_reading<LoraConfig>(lora);
  reading.config = [lora](const std::vector<std::string>& modules) {
    return LoraConfig{low_rank_config(lora, modules), lora_init(lora.init)};
  };
  if (lora.init == PeftLoraInit::kOlora) reading.repeated_start = kPeftOloraStart;
  if (lora.branch_bias) reading.add_parts = add_branch_bias;
  return reading;
}

}  // namespace svtune
