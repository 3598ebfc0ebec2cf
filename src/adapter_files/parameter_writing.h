// Writes LoRA in the form of PEFT's target_parameters (adapter_files/layer_parameters.h) where
// target_modules do not reach the adapted layers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/peft_form.h"
#include "base/json.h"
#include "io/model.h"

namespace svtune {

// What adapter_config.json says where parameters are adapted.
struct WrittenParameters {
  std::vector<Linear*> modules;  // the adapted layers that are no parameters there
  std::vector<std::string> targets;
  Json rank_pattern, alpha_pattern;

  void write_keys(Json& config) const;
};

// Puts the tensors of PEFT's parameters in the place of those of their layers, in `tensors` without
// prefix. Nothing, with the tensors as they are, where no such layer is adapted, and where PEFT has
// no such form (PeftForm::adapts_parameters).
std::optional<WrittenParameters> write_parameters(Network& net, const std::vector<Linear*>& layers,
                                                  const PeftForm& form,
                                                  std::vector<NamedTensor>& tensors);

}  // namespace svtune
