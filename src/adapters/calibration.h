// What a start asks of a pass over some of the data before anything is attached, and what it makes
// of the sums that the pass gives it layer by layer. attach/calibrate.h makes the pass.
//
// A method that has such starts has four more functions than adapters/method.h names:
//   std::optional<CalibrationPlan> calibration_plan(const Config&);
//   CalibrationCost calibration_cost(const Config&, const LayerSite&);
//   CalibratedLayer calibrated_start(const Config&, const LayerSite&, const LayerSums&);
//   Config with_ranks(const Config&, const std::map<std::string, std::int64_t>&);
// and takes what calibrated_start() made from LayerSite::start.
#pragma once

#include <cstdint>
#include <vector>

#include "nn/adapter.h"

namespace svtune {

enum class CalibrationSum {
  kInputs,    // x xᵀ [in, in] of what the layer receives
  kGradient,  // dL/dW [out, in]
};

struct CalibrationPlan {
  CalibrationSum sum = CalibrationSum::kInputs;
  std::int64_t batches = 0;
  // Of kInputs.
  bool centred = false;  // about the mean of all rows
  // Of the tokens alone that predict a target; of all where documents are supervised.
  bool supervised = false;
  bool unit_largest = false;  // each batch is divided by its largest entry
  // Rows of start.down are unit directions, which those of the first half of the batches are
  // compared with, to tell how settled they are.
  bool compares_half = false;
};

// Bytes of one layer's start.
struct CalibrationCost {
  std::int64_t work = 0;   // while calibrated_start() makes it, beside the sums
  std::int64_t start = 0;  // of what stays
};

// Of one layer; fp32, fp64 for an fp64 base.
struct LayerSums {
  at::Tensor matrix;      // kGradient: of the loss per supervised token
  std::int64_t rows = 0;  // of kInputs: how many were summed
  std::int64_t batches = 0;
  bool half = false;  // of the first half of the batches: too few rows give no start
};

struct CalibratedLayer {
  LowRankDelta start;
  std::int64_t rank = 0;  // of the configuration
  // What each row of start.down is worth beside those of other layers, descending; where there are
  // any, the ranks of all layers are given anew to the most valuable rows.
  std::vector<double> worth = {};
};

}  // namespace svtune
