#include "adapters/oft/oft.h"

#include <string>
#include <string_view>
#include <vector>

#include "adapters/oft/oft_adapter.h"
#include "base/errors.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr double kPeftLargest = 6e-5;  // of PEFT's key eps when it is not given

// The divisor of `in` nearest to `wanted`, the smaller of two.
std::int64_t nearest_divisor(std::int64_t in, std::int64_t wanted) {
  if (wanted >= in) return in;
  std::int64_t lower = wanted, upper = wanted;
  while (in % lower != 0) --lower;
  while (in % upper != 0) ++upper;
  return wanted - lower <= upper - wanted ? lower : upper;
}

OftShape stored_shape(const OftConfig& config, std::int64_t in) {
  if (!config.block_count) {
    const std::int64_t block = nearest_divisor(in, config.block_size);
    return {block, in / block};
  }
  const std::int64_t blocks = nearest_divisor(in, *config.block_count);
  return {in / blocks, blocks};
}

AdapterInit make(const OftConfig& config, const LayerSite& site) {
  const OftShape shape = stored_shape(config, site.base.in_features());
  AdapterInit init;
  const OftRule rule{.exact = config.rotation == OftRotation::kCayley,
                     .terms = config.series_terms,
                     .shared = config.block_share,
                     .largest = config.largest_rotation};
  init.adapter = std::make_unique<OftAdapter>(rule, shape, site.base);
  init.report["block_size"] = shape.block;
  return init;
}

// "0.17.1" and its like, and files that name none: those of PEFT before 0.18, whose series ended in
// another term.
bool has_older_series(const Json* version) {
  if (version == nullptr || !version->is_string()) return true;
  const auto text = version->get<std::string>();
  const std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() < 2 || parts[0] != "0") return false;
  const std::string_view minor = parts[1];
  return minor.size() < 2 || (minor.size() == 2 && minor < "18");
}

OftConfig oft_of_keys(PeftKeys& keys) {
  OftConfig config;
  const Json* count = keys.find("r");
  const Json* size = keys.find("oft_block_size");
  const bool counted = count != nullptr && *count != Json(0);
  const bool sized = size != nullptr && *size != Json(0);
  if (size == nullptr) {
    keys.problem("oft_block_size is missing: PEFT before 0.14 meant other rotations");
  } else if (counted == sized) {
    keys.problem("one of r and oft_block_size must be 0, and the other not");
  } else if (counted) {
    config.block_count = keys.integer_or("r", 1);
  } else {
    config.block_size = keys.integer_or("oft_block_size", 32);
  }
  config.block_share = keys.boolean_or("block_share", false);
  const double largest = keys.number_or("eps", kPeftLargest);
  if (keys.boolean_or("coft", false)) {
    config.largest_rotation = largest;
    if (!(largest > 0)) keys.wrong("eps", "positive");
  }
  config.series_terms = keys.integer_or("num_cayley_neumann_terms", 5);
  if (!keys.boolean_or("use_cayley_neumann", true)) config.rotation = OftRotation::kCayley;
  if (config.rotation == OftRotation::kSeries && has_older_series(keys.find("peft_version"))) {
    keys.warn(
        "peft_version is not 0.18 or later: use_cayley_neumann meant a slightly other series when "
        "the adapter was trained, and is read as PEFT reads it today");
  }
  // PEFT never applies the dropout; how the matrices started does not matter any more.
  keys.ignore({"module_dropout", "init_weights"});
  return config;
}

}  // namespace

void check_layer(const OftConfig& config, const LayerSite& site) {
  const std::int64_t in = site.base.in_features();
  const std::int64_t wanted = config.block_count.value_or(config.block_size);
  if (wanted <= in && in % wanted == 0) return;
  throw ModelError(
      site.name + ": its " + std::to_string(in) + " inputs do not fall into " +
          (config.block_count ? std::to_string(wanted) + " blocks of one size"
                              : "blocks of " + std::to_string(wanted)),
      "The nearest that divides them is " + std::to_string(nearest_divisor(in, wanted)) + ".");
}

AdapterInit make_adapter(const OftConfig& config, const LayerSite& site) {
  check_layer(config, site);
  return make(config, site);
}

AdapterInit make_empty_adapter(const OftConfig& config, const LayerSite& site) {
  return make(config, site);
}

std::optional<PeftForm> peft_form(const OftConfig& config, const std::vector<Linear*>&) {
  PeftForm form;
  form.type = OftConfig::kPeftType;
  form.keys = {{"block_share", config.block_share},
               {"coft", config.largest_rotation.has_value()},
               {"eps", config.largest_rotation.value_or(kPeftLargest)},
               {"module_dropout", 0.0},
               {"num_cayley_neumann_terms", config.series_terms},
               {"oft_block_size", config.block_count ? 0 : config.block_size},
               {"peft_version", "0.21.2"},  // whose series the numbers mean
               {"r", config.block_count.value_or(0)},
               {"use_cayley_neumann", config.rotation == OftRotation::kSeries}};
  form.own_biases = "oft_only";
  return form;
}

std::optional<PeftReading<OftConfig>> read_peft(PeftKeys& keys, std::type_identity<OftConfig>) {
  if (keys.type() != OftConfig::kPeftType) return std::nullopt;
  const OftConfig config = oft_of_keys(keys);
  PeftReading<OftConfig> reading;
  reading.config = [config](const std::vector<std::string>&) { return config; };
  reading.own_biases = "oft_only";
  return reading;
}

}  // namespace svtune
