// Stochastic rounding of whole tensors: an update smaller than half a step of the type survives
// in the mean, where rounding to nearest loses it everywhere. Source: Gupta et al. 1502.02551.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "base/field_info.h"

namespace svtune {

// How trained weights become 16-bit values, where the user can choose.
enum class Rounding { kAuto, kNearest, kStochastic };
inline constexpr EnumName<Rounding> kRoundingNames[] = {
    {Rounding::kAuto, "auto",
     "stochastic wherever nearest would keep less than 0.99 of the update"},
    {Rounding::kNearest, "nearest", "to the nearest value"},
    {Rounding::kStochastic, "stochastic",
     "up or down at random, right in the mean; the same seed gives the same bytes"},
};
constexpr std::span<const EnumName<Rounding>> enum_names(Rounding) { return kRoundingNames; }

// The stream of one tensor of a checkpoint, by its name.
std::uint64_t rounding_seed(std::uint64_t seed, std::string_view tensor);

// `wide` (any shape, fp32) in `dtype`: bf16 or fp16; every other dtype is converted plainly. The
// same seed gives the same bytes, whatever the number of threads. Values on the grid stay.
at::Tensor round_stochastically(const at::Tensor& wide, at::ScalarType dtype, std::uint64_t seed);

// left ∘ scale + right [T, n] in bf16, summed in fp32 and rounded as above: what is far below a
// step of `left` moves the mean. `left` and `right` are bf16, `scale` [n] is fp32 or undefined for
// 1, `right` undefined for 0; builds no graph.
at::Tensor rounded_sum(const at::Tensor& left, const at::Tensor& scale, const at::Tensor& right,
                       std::uint64_t seed);

}  // namespace svtune
