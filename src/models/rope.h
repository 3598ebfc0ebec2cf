// Rotation angles of the rotary embedding for the positions of a batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace svtune {

enum class RopeType { kDefault, kLinear, kLlama3 };

// Rotary embedding: f_i = theta^(-2i/width), then scaled by type.
struct RopeSpec {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  std::int64_t width = 0;                // elements of a head that turn, even
  double factor = 1.0;                   // kLinear, kLlama3
  double low_freq_factor = 1.0;          // kLlama3
  double high_freq_factor = 4.0;         // kLlama3
  double original_max_positions = 8192;  // tokens; kLlama3
};

struct RopeTables {
  at::Tensor cos, sin;  // [N, width / 2] fp32
};

// Inverse frequencies [width / 2] fp32 after the family's scaling.
at::Tensor rope_frequencies(const RopeSpec& spec);

// positions [N] int64.
RopeTables rope_tables(const RopeSpec& spec, const at::Tensor& positions);

}  // namespace svtune
