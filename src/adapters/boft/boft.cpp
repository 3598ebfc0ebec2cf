#include "adapters/boft/boft.h"

#include <algorithm>
#include <string>

#include "adapters/boft/boft_adapter.h"
#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr char kMatrices[] = "boft_R";

BoftShape shape_of(const BoftConfig& config, std::int64_t in) {
  const std::int64_t block = config.block_count ? in / *config.block_count : config.block_size;
  return {block, in / std::max<std::int64_t>(block, 1), config.butterfly_factors};
}

// Empty when the inputs fall into such blocks.
std::string problem(const BoftConfig& config, std::int64_t in) {
  const BoftShape shape = shape_of(config, in);
  if (shape.block * shape.blocks != in ||
      (config.block_count && *config.block_count != shape.blocks)) {
    return "do not fall into " + (config.block_count
                                      ? std::to_string(*config.block_count) + " blocks of one size"
                                      : "blocks of " + std::to_string(config.block_size));
  }
  if (shape.factors == 1) return "";
  if (shape.block % 2 != 0)
    return "fall into blocks of " + std::to_string(shape.block) +
           ", an odd size, which a butterfly cannot halve";
  const std::int64_t run = shape.block << (shape.factors - 1);
  if (in % run == 0) return "";
  return "do not fall into runs of " + std::to_string(run) + " that " +
         std::to_string(shape.factors) + " factors of blocks of " + std::to_string(shape.block) +
         " need";
}

AdapterInit make(const BoftConfig& config, const LayerSite& site) {
  check_layer(config, site);
  const BoftShape shape = shape_of(config, site.base.in_features());
  AdapterInit init;
  init.adapter = std::make_unique<BoftAdapter>(shape, config.block_dropout, site.base);
  init.report["block_size"] = shape.block;
  return init;
}

// PEFT without its CUDA extension trains one factor, whatever the key says that it writes.
void follow_weights(PeftKeys& keys, BoftConfig& config) {
  if (config.butterfly_factors == 1) return;
  const auto shape = keys.stored_shape(kMatrices);
  if (!shape || shape->empty() || shape->front() != 1) return;
  keys.warn("boft_n_butterfly_factor is " + std::to_string(config.butterfly_factors) +
            ", but the weights have one factor, as PEFT trains without its CUDA extension: they "
            "are followed");
  config.butterfly_factors = 1;
}

BoftConfig boft_of_keys(PeftKeys& keys) {
  BoftConfig config;
  const Json* count = keys.find("boft_block_num");
  const Json* size = keys.find("boft_block_size");
  const bool counted = count != nullptr && *count != Json(0);
  const bool sized = size == nullptr || *size != Json(0);
  if (counted == sized) {
    keys.problem("one of boft_block_num and boft_block_size must be 0, and the other not");
  } else if (counted) {
    config.block_count = keys.integer_or("boft_block_num", 1);
  } else {
    config.block_size = keys.integer_or("boft_block_size", 4);
  }
  config.butterfly_factors = keys.integer_or("boft_n_butterfly_factor", 1);
  follow_weights(keys, config);
  config.block_dropout = keys.number_or("boft_dropout", 0);
  if (!(config.block_dropout >= 0 && config.block_dropout < 1)) {
    keys.wrong("boft_dropout", "at least 0 and below 1");
  }
  keys.ignore({"init_weights"});
  return config;
}

}  // namespace

void check_layer(const BoftConfig& config, const LayerSite& site) {
  const std::int64_t in = site.base.in_features();
  const std::string what = problem(config, in);
  if (what.empty()) return;
  throw ModelError(site.name + ": its " + std::to_string(in) + " inputs " + what,
                   "Choose other --block-size and --butterfly-factors, or leave the layer out of "
                   "the targets.");
}

AdapterInit make_adapter(const BoftConfig& config, const LayerSite& site) {
  return make(config, site);
}

AdapterInit make_empty_adapter(const BoftConfig& config, const LayerSite& site) {
  return make(config, site);
}

std::optional<PeftForm> peft_form(const BoftConfig& config, const std::vector<Linear*>&) {
  PeftForm form;
  form.type = BoftConfig::kPeftType;
  form.keys = {{"boft_block_num", config.block_count.value_or(0)},
               {"boft_block_size", config.block_count ? 0 : config.block_size},
               {"boft_dropout", config.block_dropout},
               {"boft_n_butterfly_factor", config.butterfly_factors}};
  form.own_biases = "boft_only";
  return form;
}

std::optional<PeftReading<BoftConfig>> read_peft(PeftKeys& keys, std::type_identity<BoftConfig>) {
  if (keys.type() != BoftConfig::kPeftType) return std::nullopt;
  const BoftConfig config = boft_of_keys(keys);
  PeftReading<BoftConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "boft_only";
  return reading;
}

}  // namespace svtune
