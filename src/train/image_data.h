// Whether a run learns images or texts, and how its images become the model's input.
#pragma once

#include <cstdint>
#include <optional>

#include "base/json.h"
#include "images/preprocess.h"
#include "train/run_options.h"

namespace svtune {

struct ImagePlan {
  Json preprocessor;  // preprocessor_config.json as the run uses it and leaves it with its result
  Preprocessing preprocessing;
  std::int64_t tokens = 0;  // of an image: patches and the class's
};

// Of a model that reads images; nullopt for one that reads text. Throws UsageError for options and
// data that are meant for the other kind, and for an --image-size that the model does not read;
// FileError for what preprocessing_for() refuses.
std::optional<ImagePlan> plan_images(const TrainOptions& options);

}  // namespace svtune
