// SVFT: W + U M Vᵀ, U and V the singular vectors of W, M sparse and trained from zero.
// Source: SVFT 2405.19597 section 3; what differs from the authors' code is in docs/methods.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/method.h"
#include "base/fields.h"

namespace svtune {

class Linear;

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

enum class SvftBasisDtype { kProducts, kBf16, kInt8, kNf4 };
inline constexpr EnumName<SvftBasisDtype> kSvftBasisDtypeNames[] = {
    {SvftBasisDtype::kProducts, "products", "that of the products"},
    {SvftBasisDtype::kBf16, "bf16", "16 bits, which products in fp32 widen"},
    {SvftBasisDtype::kInt8, "int8", "8 bits, one scale per direction; W stays in the product"},
    {SvftBasisDtype::kNf4, "nf4", "4 bits, blocks of 64; W stays in the product"},
};
constexpr std::span<const EnumName<SvftBasisDtype>> enum_names(SvftBasisDtype) {
  return kSvftBasisDtypeNames;
}

enum class SvftProduct { kCheapest, kDelta };
inline constexpr EnumName<SvftProduct> kSvftProductNames[] = {
    {SvftProduct::kCheapest, "auto",
     "U and V alone in the layers where they give W back to rounding and the start stays at the "
     "base's, else as delta"},
    {SvftProduct::kDelta, "delta", "W with the update beside it: starts at the model exactly"},
};
constexpr std::span<const EnumName<SvftProduct>> enum_names(SvftProduct) {
  return kSvftProductNames;
}

struct SvftConfig {
  static constexpr std::string_view kName = "svft";
  static constexpr std::string_view kSummary = "sparse update between frozen singular vectors";
  static constexpr bool kDecomposes = true;
  SvftPattern pattern = SvftPattern::kBanded;
  std::int64_t bandwidth = 8;
  std::int64_t basis_rank = 0;
  bool gate = false;
  SvftBasisStorage basis = SvftBasisStorage::kRecompute;
  SvftBasisDtype basis_dtype = SvftBasisDtype::kProducts;
  SvftProduct product = SvftProduct::kCheapest;
  std::vector<std::string> delta_layers = {};

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
    visit(self.basis_dtype, {.name = "basis_dtype",
                             .help = "What U and V are held in while training",
                             .when = only_with("basis", "recompute")});
    visit(self.product, {.name = "product",
                         .help = "What a layer's product is computed from",
                         .when = not_with("basis_rank")});
    visit(
        self.delta_layers,
        {.name = "delta_layers",
         .help = "Layers whose product is that of delta, by what their names end like; those that "
                 "would start too far from the base come to them",
         .when = only_with("product", "auto") && not_with("basis_rank"),
         .keys_are_layers = true});
  }
  bool operator==(const SvftConfig&) const = default;
};

MethodTraits traits(const SvftConfig& config);

// Keeps W in the products of the layers, which become `delta_layers`; false where it was so in all.
bool start_exactly(SvftConfig& config, const std::vector<Linear*>& layers);

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
