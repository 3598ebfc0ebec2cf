// A checkpoint with a head of labels that it does not hold, or not all of: that of a bare encoder
// or of a masked language model.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/model.h"

namespace svtune {

struct HeadedSource {
  std::shared_ptr<const WeightSource> weights;
  std::vector<std::string> made;  // tensors that the checkpoint lacks, by their full names
};

// The checkpoint with what the head of `config` needs beside it: matrices are normal with the
// deviation that config.json calls initializer_range, biases 0. A head that is stored stays.
HeadedSource with_new_head(std::shared_ptr<const WeightSource> stored, const Json& config,
                           const NewHead& head, const std::string& source);

}  // namespace svtune
