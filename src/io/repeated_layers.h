// A model in which blocks of the checkpoint occur again: PEFT's layer_replication, which makes a
// deeper model of shared weights and adapts each occurrence apart.
#pragma once

#include "io/model.h"

namespace svtune {

// Changes `model`, whose configuration and weights are open, to the blocks of `ranges` one after
// the other: [0, 4) and [2, 5) are 0 1 2 3 2 3 4. Weights are shared, not copied. Throws FileError
// for ranges that the model has not, and for configurations that do not count their blocks.
void repeat_layers(Model& model, const LayerRanges& ranges);
// Throws FileError naming `source` where a block at another place would not be the same block.
// `spec` is that of the repeated ones.
void require_repeatable(const ArchSpec& spec, const std::string& source);

}  // namespace svtune
