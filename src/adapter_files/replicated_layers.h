// Adapters of models in which blocks occur again (io/repeated_layers.h), as PEFT's
// layer_replication has them.
#pragma once

#include <filesystem>

#include "io/model.h"

namespace svtune {

// For LoadOptions::layer_replication; empty where the adapter has none. Files that cannot be read
// are the loader's to report.
LayerRanges adapter_layer_ranges(const std::filesystem::path& adapter);

}  // namespace svtune
