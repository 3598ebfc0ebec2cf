// Loops over raw 4-bit blocks, compiled once per instruction set and picked at run time. All
// sets give the same bits: they do the same operations in the same order, without contraction.
#pragma once

#include <cstdint>
#include <vector>

namespace svtune::kernels {

enum class FloatKind { kFloat, kBf16, kHalf };

struct alignas(64) Codebook {
  float map[16];           // value of each stored code
  float sorted[16];        // the same, ascending
  float bounds[16];        // [i]: a value above it is nearer to sorted[i + 1]; the last is inf
  std::uint8_t order[16];  // stored code of each sorted value
};

struct ConstValues {
  const void* data;
  FloatKind kind;
};

struct Values {
  void* data;
  FloatKind kind;
};

struct SquareSums {
  double error = 0, rest = 0;
};

struct Difference {
  const float* weight;
  const float* target;
  float* rest;
};

// Candidates for the scale of a block: absmax / inverses[i]; negative ones are legal.
struct ScaleSearch {
  const float* inverses;
  std::int64_t count;
  bool from_scales;  // the scale that is there is a candidate as well
};

struct BlockKernels {
  const char* name;
  // Scales and packed codes of `blocks` whole blocks of `block_size` values. A value's code is
  // that of the interval between bounds in which value · (1 / absmax) lies; absmax below 1e-38
  // counts as 1e-38 there.
  void (*quantize)(const Codebook& book, ConstValues values, std::int64_t block_size,
                   std::int64_t blocks, std::uint8_t* codes, float* absmax);
  // The scale and codes of smallest squared error among those of the candidates, each improved by
  // taking the best scale for its codes (least squares) and, for the best, codes and scale in turn.
  void (*search)(const Codebook& book, const ScaleSearch& how, const float* values,
                 std::int64_t block_size, std::int64_t blocks, std::uint8_t* codes, float* scales);
  // values[i] = map[code i] · scale of its block, rounded once.
  void (*dequantize)(const Codebook& book, const std::uint8_t* codes, const float* scales,
                     std::int64_t block_size, std::int64_t blocks, Values values);
  // rest[i] = weight[i] - value i as above; returns Σ (target[i] - value i)² and Σ rest[i]², added
  // up in fp32 within a block and in fp64 beyond.
  SquareSums (*subtract)(const Codebook& book, const std::uint8_t* codes, const float* scales,
                         std::int64_t block_size, std::int64_t blocks,
                         const Difference& difference);
};

// Those that this CPU can run, the fastest first; the portable one is always the last.
const std::vector<const BlockKernels*>& supported_block_kernels();

// The one in use: the fastest, unless a test has chosen another.
const BlockKernels& block_kernels();

// For tests: uses `chosen` in this process while alive.
class ForceBlockKernels {
 public:
  explicit ForceBlockKernels(const BlockKernels& chosen);
  ~ForceBlockKernels();
  ForceBlockKernels(const ForceBlockKernels&) = delete;
  ForceBlockKernels& operator=(const ForceBlockKernels&) = delete;
};

}  // namespace svtune::kernels
