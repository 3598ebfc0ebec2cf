// What lies in a file or directory of tensors, read from its headers alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "formats/checkpoint_files.h"
#include "formats/gguf.h"

namespace svtune {

struct StoredTensor {
  std::string name;
  std::string dtype;                // as the format spells it: "BF16", "Q4_K"
  std::vector<std::int64_t> shape;  // slowest dimension first
  std::uint64_t bytes = 0;

  std::int64_t values() const;
};

// By name.
std::vector<StoredTensor> list_tensors(const CheckpointFiles& files);
// In the file's order; types that are not known are called "unknown".
std::vector<StoredTensor> list_tensors(const GgufFile& file);

struct TensorTotals {
  std::int64_t values = 0;
  std::uint64_t bytes = 0;
};

TensorTotals total_of(const std::vector<StoredTensor>& tensors);
std::map<std::string, TensorTotals> totals_by_dtype(const std::vector<StoredTensor>& tensors);

// Matrices in bitsandbytes' layout: codes with scales beside them.
struct QuantisedTotals {
  std::int64_t matrices = 0, weights = 0, scales = 0;
  std::uint64_t bytes = 0;  // codes, scales and what describes them

  // Of the scales too. Both need at least one matrix.
  double bits_per_weight() const;
  // Weights that share a scale, rounded up to a power of two: the last block may be short.
  std::uint64_t block_size() const;
};

QuantisedTotals quantised_totals(const std::vector<StoredTensor>& tensors);

}  // namespace svtune
