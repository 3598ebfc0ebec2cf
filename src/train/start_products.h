// The products that a run starts with, where a method's cheapest ones start at the base but for
// rounding: each layer is compared with its base on the inputs that reach it, and the loss with the
// base's.
#pragma once

#include <span>
#include <vector>

#include "attach/attach.h"
#include "models/network.h"
#include "nn/adapter_set.h"
#include "nn/batch.h"
#include "train/start_check.h"

namespace svtune {

struct LayerStart {
  Linear* layer = nullptr;
  double error = 0;  // ‖adapted - base‖ / ‖base‖ of all rows that reach it
};

struct WatchedStart {
  double loss = 0;                 // start_loss() of the adapted network
  std::vector<LayerStart> layers;  // whose error is not 0, the worst first
};

// Runs the batches with the adapters, which are unchanged afterwards. Throws as start_loss() does.
WatchedStart watch_start(Network& net, const AdapterSet& adapters, std::span<const Batch> batches);

// Factors and what lies between them, rounded to bf16, move an output by 4e-3 of itself (layers of
// SmolLM2-135M by 3.6e-3 to 4.6e-3); one in which strong directions cancel, by more.
inline constexpr double kLayerTolerance = 2e-2;

struct SettledStart {
  double cheapest_loss = 0;  // with the method's cheapest products everywhere
  double loss = 0;           // with the products that were chosen
  double worst_error = 0;    // of a layer's cheapest products
  std::size_t exact = 0;     // layers that have taken products which start at the base exactly
};

// Layers that err by more than kLayerTolerance take products that start at the base exactly
// (start_exactly() of adapters/method.h), and then, while the loss is not near the base's, the
// worse half of the others. The record's method says which they are. Throws as start_loss() does.
SettledStart settle_start(Network& net, Attached& attached, std::span<const Batch> batches,
                          double base_loss, double tolerance = kStartTolerance);

}  // namespace svtune
