// The two ways an adapter comes back: from svtune's own state file, or from PEFT's files.
#pragma once

#include <filesystem>
#include <optional>

#include "adapter_files/side_file.h"
#include "attach/attach.h"

namespace svtune {

// Methods whose state PEFT's file cannot hold. The base must have the recorded hashes.
LoadedAdapter load_own_adapter(Model& model, const SideFile& side,
                               const std::filesystem::path& directory, SvdCache* cache);

// adapter_config.json and the weights beside it; a side file adds seed and report.
LoadedAdapter load_peft_adapter(Model& model, const std::optional<SideFile>& side,
                                const std::filesystem::path& directory, SvdCache* cache);

}  // namespace svtune
