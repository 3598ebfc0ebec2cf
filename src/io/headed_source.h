// A checkpoint with a head that it does not hold, or not all of, or for other labels:
// that of a bare encoder, of a masked language model, or of a model of other classes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/model.h"

namespace svtune {

struct HeadedSource {
  std::shared_ptr<const WeightSource> weights;
  std::vector<std::string> made;  // new tensors, by their full names
  // Labels of a stored head that the new one takes the place of.
  std::optional<std::int64_t> replaced = {};
  std::string output;  // path of the head's last layer
};

// The checkpoint with what the head of `config` needs beside it: matrices are normal with the
// deviation that config.json calls initializer_range, norms 1 and biases 0. A head that is stored
// stays; where its outputs are not as many as the head's labels, they are made anew.
HeadedSource with_new_head(std::shared_ptr<const WeightSource> stored, const Json& config,
                           const NewHead& head, const std::string& source);

}  // namespace svtune
