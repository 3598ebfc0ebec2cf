// Tells on standard error what a command leaves out of its data.
#pragma once

#include "data/example_store.h"

namespace svtune {

// Examples cut short, examples without a token to learn from, and malformed records, which are
// listed.
void warn_of_losses(const ExampleStore& store);

}  // namespace svtune
