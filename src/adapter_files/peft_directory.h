// The two files of an adapter directory that PEFT reads and writes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adapters/peft_form.h"
#include "attach/target_modules.h"
#include "io/model.h"
#include "io/tensor_file.h"
#include "nn/adapter_set.h"

namespace svtune {

inline constexpr char kPeftConfigFile[] = "adapter_config.json";
inline constexpr char kPeftWeightsFile[] = "adapter_model.safetensors";
inline constexpr char kPeftPickledFile[] = "adapter_model.bin";  // what PEFT wrote before
inline constexpr char kPeftKeyPrefix[] = "base_model.model.";    // of what belongs to a module
inline constexpr char kPeftSharedPrefix[] = "base_model.";       // of what all modules share

// The weights of an adapter in PEFT's form: kPeftPickledFile where kPeftWeightsFile is missing and
// it is there. Neither need exist.
std::filesystem::path peft_weights_file(const std::filesystem::path& directory);

// The layers whose matrix has an adapter beside it (not those that train whole).
std::vector<Linear*> adapted_layers(const AdapterSet& adapters);

// Key of a trained tensor in PEFT's file, without the prefix: biases of adapted layers lie
// below "base_layer".
std::string peft_key(const AdapterSet& adapters, const std::string& trainable);

// Tensors that train beside the factors: modules saved whole, biases. Keys without prefix.
std::vector<NamedTensor> whole_tensors(const AdapterSet& adapters);

// What the adapters' tensors are in this form, and the whole tensors. Keys without prefix.
std::vector<NamedTensor> peft_tensors(const AdapterSet& adapters, const PeftForm& form);

// What adapter_config.json says beside the form.
struct PeftDirectory {
  const Model& model;
  const AdapterSet& adapters;
  const TargetOptions& targets;  // as given; written as the shortest list that means the same
  std::string base_model;        // base_model_name_or_path
  LayerRanges repeated = {};     // layer_replication, of a model that repeats blocks of that base
};

// Writes both files; the names in `tensors` lack the prefix. Experts of a mixture are written as
// target_parameters where PEFT has the form for them (adapter_files/parameter_writing.h), else as
// layers by their checkpoint names.
void write_peft_directory(const std::filesystem::path& path, const PeftDirectory& directory,
                          const PeftForm& form, std::vector<NamedTensor> tensors);

}  // namespace svtune
