// A checkpoint with more or fewer words than it was stored with: rows of the embedding and of the
// head are added or left out, all else is the checkpoint's.
#pragma once

#include <cstdint>
#include <memory>

#include "io/declared_words.h"
#include "io/model.h"

namespace svtune {

// To `count` words. Added rows are the mean of the stored ones, in the stored dtype.
std::shared_ptr<const WeightSource> resized_words(std::shared_ptr<const WeightSource> stored,
                                                  const DeclaredWords& words, std::int64_t count);

}  // namespace svtune
