// Adapter directories: adapter_config.json and adapter_model.safetensors as PEFT reads them, for
// the untouched base model; svtune.json and, where PEFT's file cannot hold the method's state,
// svtune_state.safetensors lie beside them. PEFT's adapter_model.bin is read too where there is no
// adapter_model.safetensors (formats/torch_file.h).
//
//   the method                        adapter_model.safetensors        svtune_state.safetensors
//   has a PEFT form                   its tensors                      -
//   has one that is not complete      a form of the change             its own tensors
//   has factors of its change         a LoRA of their rank             its own tensors
//   has neither, or compact files     -                                its own tensors
//   trains matrices                   a whole model directory instead
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attach/adapter_record.h"
#include "attach/attach.h"
#include "base/files.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

// Writes the directory under a temporary name and renames it.
void save_adapter(const Model& model, const AdapterSet& adapters, const AdapterRecord& record,
                  const std::filesystem::path& directory, IfExists if_exists = IfExists::kFail);

// Puts a saved adapter onto a freshly loaded model; no initialisation work is done. The
// adapter can train on. Throws FileError listing all missing, superfluous and misshapen
// tensors, and for configuration keys that change the mathematics and are not supported;
// ModelError when a PiSSA or SVFT adapter meets weights other than its own.
// Where a start is decomposed again (compact files, PEFT's "pissa"), `cache` serves.
LoadedAdapter load_adapter(Model& model, const std::filesystem::path& directory,
                           SvdCache* cache = nullptr);

// Throws FileError for what is no directory, and for one that holds no adapter.
void require_adapter_directory(const std::filesystem::path& directory);
// Whether the directory holds an adapter (and no model): for commands that take either.
bool is_adapter_directory(const std::filesystem::path& directory);

}  // namespace svtune
