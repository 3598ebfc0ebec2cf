// VeRA: W + diag(λ_b) B diag(λ_d) A, with A and B random, frozen and shared by all layers; only
// the vectors λ_d [r] and λ_b [out] of each layer train. Source: VeRA 2310.11454. A and B come
// from PEFT's generator, so that the same key gives the same matrices.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "adapters/method.h"
#include "adapters/peft_form.h"
#include "base/fields.h"

namespace svtune {

struct VeraConfig {
  static constexpr std::string_view kName = "vera";
  static constexpr std::string_view kSummary = "two trained vectors between shared random matrices";
  static constexpr std::string_view kPeftType = "VERA";
  std::int64_t rank = 256;
  double d_initial = 0.1;
  double dropout = 0.0;
  std::int64_t projection_prng_key = 0;
  bool save_projection = true;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank",
                      .help = "Rows of the shared matrix A, columns of B",
                      .min = 1,
                      .max = 65536});
    visit(self.d_initial,
          {.name = "d_initial", .help = "Start of the vector that scales the rows of A"});
    visit(self.dropout, {.name = "dropout",
                         .help = "Dropout on what the shared matrix A receives",
                         .min = 0,
                         .below = 1});
    visit(self.projection_prng_key,
          {.name = "projection_prng_key", .help = "Seed of the shared matrices", .min = 0});
    visit(self.save_projection,
          {.name = "save_projection",
           .help = "Write the shared matrices to the adapter file, instead of their seed alone"});
  }
  bool operator==(const VeraConfig&) const = default;
};

std::unique_ptr<MethodState> make_state(const VeraConfig& config, std::span<const LayerSite> sites);
AdapterInit make_adapter(const VeraConfig& config, const LayerSite& site);
AdapterInit make_empty_adapter(const VeraConfig& config, const LayerSite& site);

std::optional<PeftForm> peft_form(const VeraConfig& config, const std::vector<Linear*>& layers);
std::optional<PeftReading<VeraConfig>> read_peft(PeftKeys& keys, std::type_identity<VeraConfig>);

}  // namespace svtune
