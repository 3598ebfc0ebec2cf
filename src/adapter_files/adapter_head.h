// Adapters of models with a head of labels, which PEFT saves whole beside the factors, or of hidden
// words.
#pragma once

#include <filesystem>
#include <optional>

#include "adapter_files/tensor_filler.h"
#include "attach/target_modules.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

// The head of the model that the adapter was trained on, for LoadOptions::head: from svtune.json,
// else from PEFT's task and the rows of the classifier in the adapter's file. Nothing for language
// models and for files without a classifier; what cannot be read is the loader's to report.
std::optional<NewHead> adapter_head(const std::filesystem::path& model,
                                    const std::filesystem::path& adapter);

// Whether PEFT's adapter holds a classifier and no task that says what is classified: of a bare
// encoder's head nothing is known then.
bool leaves_task_open(const std::filesystem::path& adapter);

// PEFT lists every name that classifiers go by; those that `net` has no module for are left out.
void drop_absent_classifiers(Network& net, TargetOptions& targets);

// With bias "all" PEFT writes the biases of a module that is saved whole three times: trained,
// again below "modules_to_save", and frozen below "original_module". The copies are no tensors
// without a place.
void skip_module_copies(TensorFiller& file);

// PEFT writes a tensor that two modules share under the names of both; those that `spec` calls by
// another one are no tensors without a place.
void skip_old_names(const ArchSpec& spec, TensorFiller& file);

// With bias "all" PEFT writes every bias of the checkpoint's class, also of a norm whose output the
// network does not read (CLIP's norm behind the blocks). They have no place and no effect.
void skip_unused_tensors(const ArchSpec& spec, TensorFiller& file);

// Throws FileError when the adapter leaves a tensor open that the checkpoint lacks and that was
// made at random.
void require_made_head(const Model& model, const AdapterSet& adapters,
                       const std::filesystem::path& weights);

}  // namespace svtune
