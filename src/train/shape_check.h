// What a run would be refused for, found on a network of the same shapes without values.
#pragma once

#include "train/train_session.h"

namespace svtune {

// Throws what attach() will for the adapters that the session is about to make (an impossible rank,
// a target that matches nothing) and choose_memory() for their memory, before anything is
// computed, quantised or written. An adapter that is read is not looked at.
void check_shapes(const TrainSession& session);

}  // namespace svtune
