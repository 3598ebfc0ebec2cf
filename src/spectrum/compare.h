// What adapters, or models trained as a whole, did to the singular structure of a model's weights.
// Source of intruder dimensions: 2410.21228, section 3 and algorithm 1.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/model.h"
#include "report/comparison_page.h"

namespace svtune {

class SvdCache;

struct CompareOptions {
  std::int64_t rank = 16;  // of the leading part; cut to what a layer has
  std::int64_t top = 10;   // singular vectors of the changed weight that are looked at
  double threshold = 0.5;  // an intruder's largest |cosine| with a vector of W is below it
  // Called after each layer, never from two threads at once.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
  SvdCache* cache = nullptr;  // for those of the base; may be absent
};

struct WeightChange {
  at::Tensor change;                         // [out, in] in fp32; undefined: none
  std::optional<LowRankDelta> factors = {};  // of the change, where there are some
};

// The change of a layer: what its adapter does to `base`, its untouched weight.
WeightChange adapter_change(const Linear& adapted, const BaseWeight& base);
// The difference of two weights.
WeightChange difference(const Linear& changed, const BaseWeight& base);

// One candidate: its model, whose layers carry adapters or other weights. The model outlives the
// call.
struct Candidate {
  const Model* model = nullptr;
  bool whole = false;  // compared by its weights; else by its adapters
};

// One entry for each linear layer but the output head and those that were made at random that some
// candidate changes, in the model's order. Throws ModelError naming the layer whose weight is not
// finite, or that a candidate has in another shape or not at all.
std::vector<ComparedLayer> compare_weights(const Model& base,
                                           const std::vector<Candidate>& candidates,
                                           const CompareOptions& options);

// The same for one weight [out, in] and its changes.
std::vector<std::optional<UpdateFigures>> compare_weight(const at::Tensor& weight,
                                                         const std::vector<WeightChange>& changes,
                                                         const CompareOptions& options);

}  // namespace svtune
