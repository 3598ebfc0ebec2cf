#include "adapters/pissa/pissa.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "adapters/decomposed_weight.h"
#include "adapters/layer_svd.h"
#include "adapters/low_rank/low_rank_adapter.h"
#include "adapters/low_rank/peft_lora.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"
#include "linalg/svd_cache.h"

namespace svtune {
namespace {

constexpr char kPrincipal[] = "principal";

struct Segment {
  SpectrumPart part = SpectrumPart::kPrincipal;
  std::int64_t begin = 0, end = 0;  // of kRange
};

std::optional<std::int64_t> index_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

Segment parse_segment(const std::string& text) {
  if (text == kPrincipal) return {SpectrumPart::kPrincipal};
  if (text == "medium") return {SpectrumPart::kMedium};
  if (text == "minor") return {SpectrumPart::kMinor};
  const std::vector<std::string_view> bounds = split(text, ':');
  if (bounds.size() == 2) {
    const auto begin = index_of(bounds[0]), end = index_of(bounds[1]);
    if (begin && end && *begin < *end) return {SpectrumPart::kRange, *begin, *end};
  }
  throw UsageError("--singular-values: got \"" + text +
                       "\", allowed are principal, medium, minor, or a range such as 16:32",
                   "16:32 means the 16 values after the 16 largest.");
}

// The segment, checked against the rank.
Segment segment_of(const PissaConfig& config, std::int64_t rank) {
  const Segment segment = parse_segment(config.singular_values);
  const bool range = segment.part == SpectrumPart::kRange;
  if (range && segment.end - segment.begin != rank) {
    throw UsageError("--singular-values " + config.singular_values + " are " +
                         std::to_string(segment.end - segment.begin) + " values, the rank is " +
                         std::to_string(rank),
                     "Set --rank to their number.");
  }
  if (config.svd == PissaSvd::kFast && segment.part != SpectrumPart::kPrincipal) {
    throw UsageError("--svd fast finds principal singular values only",
                     "Use --svd exact with --singular-values " + config.singular_values + ".");
  }
  return segment;
}

TruncatedSvd decompose(const PissaConfig& config, const LayerSite& site, std::int64_t rank) {
  const Segment segment = segment_of(config, rank);
  TruncatedSvdOptions options;
  options.algorithm = config.svd == PissaSvd::kExact ? SvdAlgorithm::kExact : SvdAlgorithm::kFast;
  options.part = segment.part;
  options.range_begin = segment.begin;
  options.niter = config.niter;
  options.oversample = config.oversample;
  // What is exact does not depend on a seed, and so can be cached for runs with any.
  options.seed = config.svd == PissaSvd::kFast ? site.seed : 0;
  return layer_svd(site, site.cache, decomposed_weight(site.base), rank, options);
}

bool recomputes(const PissaConfig& config) {
  return config.initial_factors == InitialFactors::kRecompute;
}

struct Factors {
  at::Tensor A, B;  // [r, in], [out, r]
};

// Dividing by the scaling makes s·B₀A₀ the rank-r product for every alpha.
Factors factors_of(const TruncatedSvd& svd, const LowRankShape& shape, const LayerSite& site) {
  const at::Tensor root = (svd.S / shape.scaling).sqrt();
  const at::TensorOptions options = factor_options(site.base);
  return {(root.unsqueeze(1) * svd.V.t()).to(options).contiguous(),
          (svd.U * root.unsqueeze(0)).to(options).contiguous()};
}

AdapterInit finish(const LowRankShape& shape, const PissaConfig& config, const LayerSite& site,
                   const Factors& start, bool values_follow) {
  LowRankOptions options{shape.scaling, config.low_rank.dropout, site.base.dtype()};
  if (recomputes(config)) options.start_hash = {site.name, values_follow};
  AdapterInit init;
  init.adapter =
      std::make_unique<LowRankAdapter>(start.A.clone(), start.B.clone(), options, start.A, start.B);
  init.report["rank"] = shape.rank;
  return init;
}

}  // namespace

MethodTraits traits(const PissaConfig& config) {
  return {.needs_dense_base = true, .compact_files = recomputes(config)};
}

void check_layer(const PissaConfig& config, const LayerSite& site) {
  if (site.base.quantized()) {
    throw ModelError(site.name +
                         ": PiSSA takes its start from the full weights, these are "
                         "quantised already",
                     "Give the original model with --base-dtype nf4, which quantises the rest.");
  }
  const Segment segment = segment_of(config, low_rank_shape(config.low_rank, site).rank);
  const std::int64_t n = std::min(site.base.in_features(), site.base.out_features());
  if (segment.part == SpectrumPart::kRange && segment.end > n) {
    throw ModelError(
        site.name + ": singular values " + config.singular_values +
            " are impossible for a weight [" + std::to_string(site.base.out_features()) + ", " +
            std::to_string(site.base.in_features()) + "], which has " + std::to_string(n),
        "Choose a lower range, or leave the layer out of the targets.");
  }
}

AdapterInit make_adapter(const PissaConfig& config, const LayerSite& site) {
  check_layer(config, site);
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  const TruncatedSvd svd = decompose(config, site, shape.rank);
  AdapterInit init = finish(shape, config, site, factors_of(svd, shape, site), false);
  report_svd(svd.certificate, init.report);
  init.report["captured_energy"] = svd.certificate.captured_energy;
  return init;
}

AdapterInit make_empty_adapter(const PissaConfig& config, const LayerSite& site) {
  const LowRankShape shape = low_rank_shape(config.low_rank, site);
  if (recomputes(config) && !site.shapes_only) {
    const TruncatedSvd svd = decompose(config, site, shape.rank);
    return finish(shape, config, site, factors_of(svd, shape, site), true);
  }
  const at::TensorOptions options = factor_options(site.base);
  return finish(shape, config, site,
                {at::zeros({shape.rank, site.base.in_features()}, options),
                 at::zeros({site.base.out_features(), shape.rank}, options)},
                true);
}

QuantizedStart<LoraConfig> quantized_start(const PissaConfig& config) {
  if (config.singular_values != kPrincipal) {
    throw UsageError("a quantised PiSSA trains the principal singular values",
                     "Leave out --singular-values, or --base-dtype.");
  }
  return {QuantStart::kQpissa, config.low_rank,
          [](const LowRankConfig& low_rank) { return LoraConfig{low_rank, LoraInit::kKaiming}; }};
}

std::optional<PeftForm> residual_form(const PissaConfig& config,
                                      const std::vector<Linear*>& layers) {
  return peft_lora_form(peft_lora_keys(config.low_rank, names_of(layers)));
}

std::optional<PeftReading<PissaConfig>> read_peft(PeftKeys& keys, std::type_identity<PissaConfig>) {
  const PeftLoraKind kind = peft_lora_kind(keys);
  if (!kind.lora || kind.dora || !kind.pissa || kind.kasa) return std::nullopt;
  const PeftLoraKeys lora = read_peft_lora(keys);
  auto reading = peft_lora_reading<PissaConfig>(lora);
  reading.config = [lora](const std::vector<std::string>& modules) {
    return PissaConfig{.low_rank = low_rank_config(lora, modules)};
  };
  reading.repeated_start = kPeftPissaStart;
  return reading;
}

}  // namespace svtune
