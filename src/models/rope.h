// Rotation angles of the rotary embedding for the positions of a batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace svtune {

enum class RopeType { kDefault, kLinear, kLlama3, kYarn, kDynamic, kLongrope };

// Rotary embedding: f_i = theta^(-2i/width), then scaled by type as in transformers'
// modeling_rope_utils; kYarn is arXiv 2309.00071, kLongrope arXiv 2402.13753.
struct RopeSpec {
  RopeType type = RopeType::kDefault;
  double theta = 10000.0;
  std::int64_t width = 0;                // elements of a head that turn, even
  double factor = 1.0;                   // of all but kDefault
  double low_freq_factor = 1.0;          // kLlama3
  double high_freq_factor = 4.0;         // kLlama3
  double original_max_positions = 8192;  // tokens; of all but kDefault and kLinear
  double beta_fast = 32;                 // kYarn: turns within the original length
  double beta_slow = 1;
  bool truncate = true;
  std::vector<double> short_factors, long_factors;  // kLongrope: [width / 2] each
  double attention_factor = 1.0;                    // multiplies cos and sin
};

struct RopeTables {
  at::Tensor cos, sin;  // [N, width / 2] fp32
};

// Inverse frequencies [width / 2] fp32 for a document of `length` tokens; kDynamic and kLongrope
// depend on it.
at::Tensor rope_frequencies(const RopeSpec& spec, std::int64_t length);

// positions [N] int64; document s is rows offsets[s] .. offsets[s+1], and its length follows from
// its last position.
RopeTables rope_tables(const RopeSpec& spec, const at::Tensor& positions,
                       const std::vector<std::int32_t>& offsets);

}  // namespace svtune
