// Errors of decompositions that say which weight they are about.
#pragma once

#include <string>

#include "base/errors.h"

namespace svtune {

// What `action()` gives; a ModelError passes with `weight` in front and its hint.
template <class Action>
auto with_weight_name(const std::string& weight, Action action) {
  try {
    return action();
  } catch (const ModelError& error) {
    throw ModelError(weight + ": " + error.what(), error.hint());
  }
}

}  // namespace svtune
