// The adapted layers of a run, those of one kind together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attach/attach.h"

namespace svtune {

// Layers of one module name and shape, wherever in the network they stand.
struct LayerKind {
  std::string name;  // "q_proj"
  std::int64_t out_features = 0, in_features = 0;
  std::int64_t layers = 0;
  std::int64_t trainable = 0;  // parameters of all of them
};

// In the order of their first layers.
std::vector<LayerKind> layer_kinds(const StartReport& report);

// Trained parameters in per cent of the base model's.
double trainable_percent(const StartReport& report);

}  // namespace svtune
