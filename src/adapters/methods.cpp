#include "adapters/methods.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "adapters/spectral/spectral_method.h"
#include "base/text_util.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// What a configuration says in one method's words, as in any method's.
template <class Config>
PeftReading<MethodConfig> any_reading(PeftReading<Config> reading) {
  PeftReading<MethodConfig> any;
  any.config = std::move(reading.config);
  any.own_biases = std::move(reading.own_biases);
  any.repeated_start = std::move(reading.repeated_start);
  any.stores_shared = reading.stores_shared;
  any.key = std::move(reading.key);
  any.stores_frozen = reading.stores_frozen;
  any.counts_layers = reading.counts_layers;
  any.add_parts = std::move(reading.add_parts);
  any.embedding = std::move(reading.embedding);
  any.trainable_tokens = std::move(reading.trainable_tokens);
  any.layer_replication = std::move(reading.layer_replication);
  any.target_parameters = std::move(reading.target_parameters);
  return any;
}

// One try of a method at a configuration.
struct PeftAttempt {
  PeftKeys& keys;
  std::optional<PeftReading<MethodConfig>> found = {};
  std::vector<std::string> types = {};  // that any method reads

  template <class Config>
  void operator()(std::type_identity<Config> method) {
    if constexpr (requires { read_peft(keys, method); }) {
      const std::string type(Config::kPeftType);
      if (std::ranges::find(types, type) == types.end()) types.push_back(type);
      if (found) return;
      if (auto reading = read_peft(keys, method)) found = any_reading(std::move(*reading));
    }
  }
};

// "svft|svf": those that decompose W whatever their options are.
struct DecomposingNames {
  std::string text = {};

  template <class Config>
  void operator()(std::type_identity<Config> /*method*/) {
    if constexpr (SpectralConfig<Config> || requires { Config::kDecomposes; }) {
      text += (text.empty() ? "" : "|") + std::string(Config::kName);
    }
  }
};

template <class Visitor, class... Configs>
void for_each_method(Visitor& visitor, std::type_identity<std::variant<Configs...>>) {
  (visitor(std::type_identity<Configs>{}), ...);
}

}  // namespace

std::string method_name(const MethodConfig& method) {
  return std::visit([](const auto& config) { return std::string(config.kName); }, method);
}

std::optional<std::int64_t> method_cut_rank(const MethodConfig& method) {
  return std::visit(
      []<class Config>([[maybe_unused]] const Config& config) -> std::optional<std::int64_t> {
        if constexpr (SpectralConfig<Config>) {
          if (has_default_rank(config)) return spectral_plan(config).rank;
        }
        return std::nullopt;
      },
      method);
}

MethodTraits method_traits(const MethodConfig& method) {
  return std::visit(
      [](const auto& config) {
        if constexpr (requires { traits(config); }) return traits(config);
        return MethodTraits{};
      },
      method);
}

void check_method_layer(const MethodConfig& method, const LayerSite& site) {
  std::visit(
      [&](const auto& config) {
        if constexpr (requires { check_layer(config, site); }) check_layer(config, site);
      },
      method);
}

std::unique_ptr<MethodState> make_method_state(const MethodConfig& method,
                                               std::span<const LayerSite> sites) {
  return std::visit(
      [&](const auto& config) -> std::unique_ptr<MethodState> {
        if constexpr (requires { make_state(config, sites); }) return make_state(config, sites);
        return nullptr;
      },
      method);
}

AdapterInit make_method_adapter(const MethodConfig& method, const LayerSite& site) {
  return std::visit([&](const auto& config) { return make_adapter(config, site); }, method);
}

AdapterInit make_empty_method_adapter(const MethodConfig& method, const LayerSite& site) {
  return std::visit([&](const auto& config) { return make_empty_adapter(config, site); }, method);
}

bool method_start_exactly(MethodConfig& method, const std::vector<Linear*>& layers) {
  return std::visit(
      [&](auto& config) {
        if constexpr (requires { start_exactly(config, layers); }) {
          return start_exactly(config, layers);
        }
        return false;
      },
      method);
}

QuantizedStart<MethodConfig> method_quantized_start(const MethodConfig& method) {
  return std::visit(
      [](const auto& config) -> QuantizedStart<MethodConfig> {
        if constexpr (requires { quantized_start(config); }) {
          const auto start = quantized_start(config);
          return {start.kind, start.low_rank, start.trained};
        }
        return {};
      },
      method);
}

void check_method_dense_start(const MethodConfig& method) {
  std::visit(
      [](const auto& config) {
        if constexpr (requires { check_dense_start(config); }) check_dense_start(config);
      },
      method);
}

std::optional<CalibrationPlan> method_calibration_plan(const MethodConfig& method) {
  return std::visit(
      [](const auto& config) -> std::optional<CalibrationPlan> {
        if constexpr (requires { calibration_plan(config); }) return calibration_plan(config);
        return std::nullopt;
      },
      method);
}

CalibrationCost method_calibration_cost(const MethodConfig& method, const LayerSite& site) {
  return std::visit(
      [&](const auto& config) -> CalibrationCost {
        if constexpr (requires { calibration_cost(config, site); }) {
          return calibration_cost(config, site);
        }
        throw std::logic_error(std::string(config.kName) + " has no start from data");
      },
      method);
}

CalibratedLayer method_calibrated_start(const MethodConfig& method, const LayerSite& site,
                                        const LayerSums& sums) {
  return std::visit(
      [&](const auto& config) -> CalibratedLayer {
        if constexpr (requires { calibrated_start(config, site, sums); }) {
          return calibrated_start(config, site, sums);
        }
        throw std::logic_error(std::string(config.kName) + " has no start from data");
      },
      method);
}

MethodConfig method_with_ranks(const MethodConfig& method,
                               const std::map<std::string, std::int64_t>& ranks) {
  return std::visit(
      [&](const auto& config) -> MethodConfig {
        if constexpr (requires { with_ranks(config, ranks); }) return with_ranks(config, ranks);
        throw std::logic_error(std::string(config.kName) + " has no ranks to be given anew");
      },
      method);
}

std::optional<PeftForm> method_peft_form(const MethodConfig& method,
                                         const std::vector<Linear*>& layers) {
  return std::visit(
      [&](const auto& config) -> std::optional<PeftForm> {
        if constexpr (requires { peft_form(config, layers); }) return peft_form(config, layers);
        return std::nullopt;
      },
      method);
}

std::optional<PeftForm> method_residual_form(const MethodConfig& method,
                                             const std::vector<Linear*>& layers) {
  return std::visit(
      [&](const auto& config) -> std::optional<PeftForm> {
        if constexpr (requires { residual_form(config, layers); }) {
          return residual_form(config, layers);
        }
        return std::nullopt;
      },
      method);
}

std::optional<PeftReading<MethodConfig>> read_peft_method(PeftKeys& keys) {
  PeftAttempt attempt{keys};
  for_each_method(attempt, std::type_identity<MethodConfig>{});
  if (attempt.found) return std::move(attempt.found);
  const bool known = std::ranges::find(attempt.types, keys.type()) != attempt.types.end();
  keys.problem(
      "peft_type is \"" + keys.type() + "\"" +
      (known ? " with keys that no method reads" : ", need " + join(attempt.types, " or ")));
  return std::nullopt;
}

FieldCondition decomposing_methods() {
  static const DecomposingNames names = [] {
    DecomposingNames found;
    for_each_method(found, std::type_identity<MethodConfig>{});
    return found;
  }();
  return only_with("method", names.text);
}

MethodConfig whole_matrix_method() { return FullConfig{}; }

MethodConfig low_rank_method(const LowRankConfig& low_rank) {
  return LoraConfig{.low_rank = low_rank};
}

}  // namespace svtune
