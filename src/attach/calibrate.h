// The pass over some batches on which a start is found (adapters/calibration.h), before anything is
// attached. Its sums are one dense matrix per layer; layers go in groups whose matrices fit into
// the memory that is given, and all batches pass once for each group, so that what is held does not
// grow with the model. What stays are the factors of each layer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "attach/attach.h"
#include "nn/batch.h"

namespace svtune {

struct CalibrationOptions {
  // Of a group's matrices; one layer's is taken also where it is larger. While a layer's start is
  // made from its matrix, a few more of that size are needed, for each thread.
  std::int64_t memory_bytes = std::int64_t{2} << 30;
  // Batches that have passed, of all groups.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

// What attach() is to be called with.
struct Calibration {
  MethodConfig method;                         // with the ranks that were found
  TargetOptions targets;                       // less the layers whose rank became 0
  std::map<std::string, LowRankDelta> starts;  // for AttachOptions::starts
  // For AdapterRecord::calibration. Of directions also "settled", the share of those that train
  // whose |cosine| with what the first half of the batches gave is kSettled or more.
  Json record;
};

// What calibrate() holds beside the model and what a batch takes.
struct CalibrationNeed {
  std::int64_t sums = 0;        // bytes of the largest group's matrices
  std::int64_t work = 0;        // bytes while starts are made of them, on all threads
  std::int64_t starts = 0;      // bytes of all starts
  bool backward = false;        // batches go back through the model as well
  std::vector<Linear*> layers;  // that are observed first, in model order
};

// `targets` and `memory_bytes` as calibrate() gets them.
CalibrationNeed calibration_need(Model& model, const MethodConfig& method,
                                 const TargetOptions& targets, std::int64_t memory_bytes);

inline constexpr double kSettled = 0.99;  // EVA's and PEFT's threshold of convergence

// `method` has a calibration plan. Each batch runs alone; those without a supervised token count
// for nothing where these are needed. The model is unchanged afterwards. Throws UsageError as
// attach() does and for batches that hold nothing to learn, ModelError naming the layer that the
// method cannot serve or that saw too little.
Calibration calibrate(Model& model, const MethodConfig& method, const TargetOptions& targets,
                      std::span<const Batch> batches, const CalibrationOptions& options = {});

}  // namespace svtune
