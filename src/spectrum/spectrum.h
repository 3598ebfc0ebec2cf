// What a model's weights consist of: spectra, the residual that a principal part leaves, the
// error of 4 bits, and where among the singular directions an adapter's update lies.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "io/model.h"
#include "report/spectrum_layer.h"

namespace svtune {

class SvdCache;

struct SpectrumOptions {
  std::int64_t rank = 16;  // of the principal part; cut to what a layer has
  // Called after each layer, never from two threads at once.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
  SvdCache* cache = nullptr;  // may be absent
};

// One entry for each linear layer but the output head and those that were made at random, in the
// model's order; `update` where the layer carries an adapter. One full decomposition per layer.
// Throws ModelError naming the layer whose weight is not finite.
std::vector<SpectrumLayer> analyse_spectrum(const Model& model, const SpectrumOptions& options);

// The same for one weight [out, in] and its change, which may be undefined.
SpectrumLayer analyse_weight(const at::Tensor& weight, const at::Tensor& change,
                             const SpectrumOptions& options);

}  // namespace svtune
