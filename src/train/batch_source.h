// Where training and evaluation get their micro-batches from.
#pragma once

#include <optional>

#include "base/json.h"
#include "nn/batch.h"

namespace svtune {

class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // The next micro-batch; nullopt when the data are used up (after the last epoch).
  virtual std::optional<Batch> next() = 0;
  // Back to the first micro-batch of the first epoch.
  virtual void rewind() = 0;
  // Passes over the data so far, e.g. 1.25; NaN when the source does not know.
  virtual double epoch() const = 0;

  // What seek() needs to go on exactly here, kept in checkpoints.
  virtual Json position() const = 0;
  // Throws RunError when the position belongs to other data.
  virtual void seek(const Json& position) = 0;
};

}  // namespace svtune
