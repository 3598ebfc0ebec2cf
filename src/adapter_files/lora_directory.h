// The two files of a LoRA directory, as PEFT reads and writes them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adapter_files/adapter_config.h"
#include "io/model.h"
#include "io/tensor_file.h"
#include "nn/adapter_set.h"

namespace svtune {

inline constexpr char kPeftConfigFile[] = "adapter_config.json";
inline constexpr char kPeftWeightsFile[] = "adapter_model.safetensors";
inline constexpr char kPeftKeyPrefix[] = "base_model.model.";

// The layers whose matrix has an adapter beside it (not those that train whole).
std::vector<Linear*> adapted_layers(const AdapterSet& adapters);
std::vector<std::string> names_of(const std::vector<Linear*>& layers);

// Key of a trained tensor in PEFT's file, without the prefix: biases of adapted layers lie
// below "base_layer".
std::string peft_key(const AdapterSet& adapters, const std::string& trainable);

// Tensors that train beside the factors: modules saved whole, biases. Keys without prefix.
std::vector<NamedTensor> whole_tensors(const AdapterSet& adapters);

// The shortest target list that means exactly the adapted layers of this model.
TargetOptions explicit_targets(Transformer& net, const AdapterSet& adapters,
                               const TargetOptions& targets);

// Writes both files; the names in `tensors` lack the prefix.
void write_lora_directory(const std::filesystem::path& directory, const PeftLoraConfig& config,
                          std::vector<NamedTensor> tensors);

}  // namespace svtune
