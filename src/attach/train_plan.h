// What trains of a model: the layers that the targets choose, and what trains whole beside them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "io/model.h"

namespace svtune {

struct TrainPlan {
  std::vector<Linear*> layers;  // that receive an adapter, in the model's order
  std::vector<bool> whole;      // per layer: the matrix itself trains
  std::vector<NamedParameter> extras;
  bool parts_head = false;               // a tied head becomes a tensor of its own
  std::vector<std::int64_t> token_rows;  // of the embedding, that train apart
  bool head_rows = false;                // and the same ones of a head of its own
};

// For the rules see attach(). Throws UsageError for targets that match nothing, that contradict
// each other or the method, or that part a head from the embedding where it has no matrix of its
// own.
TrainPlan plan_training(const Model& model, const MethodConfig& method,
                        const TargetOptions& targets);

// The modules of a head of labels that train beside any method: what holds its output, and those
// whose tensors the checkpoint lacked.
std::vector<std::string> head_modules(const Model& model);

// The targets with the modules that attach() trains whole beside them.
TargetOptions with_own_modules(const Model& model, const TargetOptions& targets);

}  // namespace svtune
