// Makes a method of every config struct with a function spectral_plan(config) -> SpectralPlan.
#pragma once

#include <concepts>
#include <memory>
#include <span>

#include "adapters/method.h"
#include "adapters/spectral/spectral_plan.h"

namespace svtune {

// Throws ModelError naming the layer for a rank that it cannot have.
void check_spectral_layer(const SpectralPlan& plan, const LayerSite& site);
AdapterInit make_spectral_adapter(const SpectralPlan& plan, const LayerSite& site);
AdapterInit make_empty_spectral_adapter(const SpectralPlan& plan, const LayerSite& site);
// Holds the leaves that layers share; null where each has its own.
std::unique_ptr<MethodState> make_spectral_state(const SpectralPlan& plan,
                                                 std::span<const LayerSite> sites);

template <class Config>
concept SpectralConfig = requires(const Config& config) {
  { spectral_plan(config) } -> std::same_as<SpectralPlan>;
};

template <SpectralConfig Config>
void check_layer(const Config& config, const LayerSite& site) {
  check_spectral_layer(spectral_plan(config), site);
}

template <SpectralConfig Config>
std::unique_ptr<MethodState> make_state(const Config& config, std::span<const LayerSite> sites) {
  return make_spectral_state(spectral_plan(config), sites);
}

template <SpectralConfig Config>
AdapterInit make_adapter(const Config& config, const LayerSite& site) {
  return make_spectral_adapter(spectral_plan(config), site);
}

template <SpectralConfig Config>
AdapterInit make_empty_adapter(const Config& config, const LayerSite& site) {
  return make_empty_spectral_adapter(spectral_plan(config), site);
}

}  // namespace svtune
