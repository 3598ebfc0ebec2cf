// The factors of layers as PEFT holds them for the parameter that the layers are in: one A
// [experts · r, in], expert by expert, and one B [out, r · experts], component by component. Layers
// of an expert whose rows lie in one parameter share the A of their expert.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>

#include "adapter_files/layer_parameters.h"

namespace svtune {

struct LayerFactors {
  at::Tensor A, B;  // [r, in], [out, r]
};

using FactorsByLayer = std::map<std::string, LayerFactors>;

struct FusedFactors {
  at::Tensor A, B;
  std::int64_t rank = 0;  // r of an expert
};

// Of a parameter of which at least one layer has factors; the others change nothing. r is the
// largest rank where the layers of every expert have one A to the bit. Otherwise the components of
// an expert's layers follow one another, and r is the sum of theirs.
FusedFactors fuse(const LayerParameter& parameter, const FactorsByLayer& factors);

// Factors of every layer, each with all components: those of one expert share its A. Views.
FactorsByLayer with_shared_A(const LayerParameter& parameter, const FusedFactors& fused);

// The reverse of fuse(), for layers of these ranks; views. Nothing when fuse() gives no such
// tensors for them.
std::optional<FactorsByLayer> split_factors(const LayerParameter& parameter,
                                            const FusedFactors& fused,
                                            const std::map<std::string, std::int64_t>& ranks);

}  // namespace svtune
