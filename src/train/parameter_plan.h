// What a method would train on a model, and in how much memory, from config.json alone.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>

#include "adapters/methods.h"
#include "attach/attach.h"
#include "attach/target_modules.h"
#include "base/json.h"
#include "models/network.h"
#include "quant/quantized_matrix.h"
#include "train/memory.h"
#include "train/train_config.h"

namespace svtune {

struct ParameterPlanOptions {
  // As LoadOptions::dtype; what is stored is what the configuration says.
  std::optional<at::ScalarType> dtype = {};
  std::optional<QuantType> base_dtype = {};  // as TrainModelOptions::base_dtype
  std::int64_t batch_tokens = 2048;          // of a micro-batch, all of them supervised
  std::int64_t max_length = 512;             // tokens of its longest document
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
// configuration in messages. Without targets every linear layer but the head is adapted, and by a
// method that trains matrices the whole model. Throws what training would throw before it reads
// weights: UsageError, FileError and ModelError, and RunError for a max_memory that is too small.
ParameterPlan plan_parameters(const Json& config, const std::string& source,
                              const MethodConfig& method, const TargetOptions& targets,
                              const ParameterPlanOptions& options = {});

}  // namespace svtune
