// Makes a method of every config struct with a function spectral_plan(config) -> SpectralPlan.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>

#include "adapters/method.h"
#include "adapters/spectral/spectral_plan.h"

namespace svtune {

// With at most the triplets that the layer has.
SpectralPlan cut_to_layer(SpectralPlan plan, const LayerSite& site);
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

// Whether layers that have fewer triplets than the rank take all of theirs.
template <SpectralConfig Config>
bool has_default_rank(const Config& config) {
  const std::int64_t rank = spectral_plan(config).rank;
  return rank > 0 && rank == spectral_plan(Config{}).rank;
}

template <SpectralConfig Config>
SpectralPlan plan_of_layer(const Config& config, const LayerSite& site) {
  const SpectralPlan plan = spectral_plan(config);
  return has_default_rank(config) && !site.rank_given ? cut_to_layer(plan, site) : plan;
}

template <SpectralConfig Config>
void check_layer(const Config& config, const LayerSite& site) {
  check_spectral_layer(plan_of_layer(config, site), site);
}

template <SpectralConfig Config>
std::unique_ptr<MethodState> make_state(const Config& config, std::span<const LayerSite> sites) {
  return make_spectral_state(spectral_plan(config), sites);
}

template <SpectralConfig Config>
AdapterInit make_adapter(const Config& config, const LayerSite& site) {
  return make_spectral_adapter(plan_of_layer(config, site), site);
}

template <SpectralConfig Config>
AdapterInit make_empty_adapter(const Config& config, const LayerSite& site) {
  return make_empty_spectral_adapter(spectral_plan(config), site);
}

}  // namespace svtune
