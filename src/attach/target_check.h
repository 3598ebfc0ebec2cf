// Whether every name that a user gives means something in the model at hand. Files of PEFT are
// exempt: one configuration may serve models of several families.
#pragma once

#include "adapters/methods.h"
#include "attach/target_modules.h"
#include "models/network.h"

namespace svtune {

// Throws UsageError naming, with the nearest name that exists, the first item of the targets, the
// exclusions, the layers or the method's layer patterns that matches nothing; and biases or tied
// weights that the model has not.
void check_every_target(Network& net, const TargetOptions& options, const MethodConfig& method);

}  // namespace svtune
