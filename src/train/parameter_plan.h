// What a method would train on a model, and in how much memory, from config.json alone.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/attach.h"
#include "attach/target_modules.h"
#include "base/json.h"
#include "models/network.h"
#include "quant/quantized_matrix.h"
#include "train/memory.h"
#include "train/run_options.h"

namespace svtune {

struct ParameterPlanOptions {
  // As LoadOptions::dtype; what is stored is what the configuration says.
  std::optional<at::ScalarType> dtype = {};
  std::optional<QuantType> base_dtype = {};  // as TrainModelOptions::base_dtype
  BlockTuning tuning = {};                   // of base_dtype
  BaseCompute base_compute = BaseCompute::kExact;
  TrainTask task = TrainTask::kLanguage;
  std::vector<std::string> labels = {};  // of kClassify and kTag; empty: those of id2label
  std::string model_dropout = "config";  // as TrainConfig::model_dropout
  std::int64_t batch_tokens = 2048;      // of a micro-batch, all of them supervised
  std::int64_t max_length = 512;         // tokens of its longest document
  ActivationOptions activations = {};
};

struct ParameterPlan {
  StartReport start;
  MemoryForecast memory;
  std::string arithmetic;  // as Model::arithmetic
  std::string recompute;   // as RunPlan::recompute
};

// The network and the adapters are made of tensors that have shapes and no storage, by the same
// code that trains, so that nothing is counted twice or by a formula of its own. `source` names the
// configuration in messages. A task of labels has a head of its own, that of hidden words what a
// checkpoint of them has; with kLanguage the head is the configuration's. What a head has in front
// of its output is taken as stored: training makes what is not, and trains it. Without targets
// every linear layer but the head is adapted, and by a method that trains matrices the whole model.
// Throws what training would throw before it reads weights: UsageError, FileError and ModelError,
// and RunError for a max_memory that is too small.
ParameterPlan plan_parameters(const Json& config, const std::string& source,
                              const MethodConfig& method, const TargetOptions& targets,
                              const ParameterPlanOptions& options = {});

}  // namespace svtune
