// SVFT: W + U M Vᵀ, U and V the singular vectors of W, M sparse and trained from zero.
// Source: SVFT 2405.19597 section 3; what differs from the paper's code is in README.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

enum class SvftPattern { kPlain, kBanded, kRandom, kTopK };
inline constexpr EnumName<SvftPattern> kSvftPatternNames[] = {
    {SvftPattern::kPlain, "plain", "the singular values alone"},
    {SvftPattern::kBanded, "banded", "a band of --bandwidth diagonals on either side"},
    {SvftPattern::kRandom, "random", "as many positions as the band has, drawn at random"},
    {SvftPattern::kTopK, "topk", "as many, where u_i and v_j are most aligned; square weights"},
};
constexpr std::span<const EnumName<SvftPattern>> enum_names(SvftPattern) {
  return kSvftPatternNames;
}

enum class SvftBasisStorage { kStored, kRecompute };
inline constexpr EnumName<SvftBasisStorage> kSvftBasisNames[] = {
    {SvftBasisStorage::kStored, "stored", "U and V lie in it"},
    {SvftBasisStorage::kRecompute, "recompute",
     "M and a probe of U and V, which are decomposed again on loading"},
};
constexpr std::span<const EnumName<SvftBasisStorage>> enum_names(SvftBasisStorage) {
  return kSvftBasisNames;
}

enum class SvftProduct { kCheapest, kDelta };
inline constexpr EnumName<SvftProduct> kSvftProductNames[] = {
    {SvftProduct::kCheapest, "auto",
     "U and V alone where they give W back to rounding, else W with the update beside it"},
    {SvftProduct::kDelta, "delta", "W with the update beside it: starts at the model exactly"},
};
constexpr std::span<const EnumName<SvftProduct>> enum_names(SvftProduct) {
  return kSvftProductNames;
}

struct SvftConfig {
  static constexpr std::string_view kName = "svft";
  static constexpr std::string_view kSummary = "sparse update between frozen singular vectors";
  SvftPattern pattern = SvftPattern::kBanded;
  std::int64_t bandwidth = 8;
  std::int64_t basis_rank = 0;
  bool gate = false;
  SvftBasisStorage basis = SvftBasisStorage::kRecompute;
  SvftProduct product = SvftProduct::kCheapest;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.pattern, {.name = "pattern", .help = "Which entries of M train"});
    visit(self.bandwidth, {.name = "bandwidth",
                           .help = "Diagonals d on either side: n(2d+1) - d(d+1) entries",
                           .min = 0,
                           .max = 65535,
                           .when = only_with("pattern", "banded|random|topk")});
    visit(self.basis_rank,
          {.name = "basis_rank",
           .help = "Leading singular directions to use; 0 = all. The rest of W stays",
           .min = 0,
           .max = 65536});
    visit(self.gate, {.name = "gate", .help = "Multiply M by a trained sigmoid, one per layer"});
    visit(self.basis, {.name = "basis", .help = "What the adapter file holds of U and V"});
    visit(self.product, {.name = "product",
                         .help = "What a layer's product is computed from",
                         .when = not_with("basis_rank")});
  }
  bool operator==(const SvftConfig&) const = default;
};

MethodTraits traits(const SvftConfig& config);

// Trained entries of M in a layer with n singular directions, without a gate.
std::int64_t svft_count(const SvftConfig& config, std::int64_t n);

// Throws ModelError naming the layer: basis_rank above min(in, out), bandwidth not below the
// number of directions, top-k on a weight that is not square.
void check_layer(const SvftConfig& config, const LayerSite& site);
// The same, and ModelError for weights that are not finite.
AdapterInit make_adapter(const SvftConfig& config, const LayerSite& site);
// Decomposes only when the basis is to be recomputed and values will come.
AdapterInit make_empty_adapter(const SvftConfig& config, const LayerSite& site);

}  // namespace svtune
