// What is left out of a data set, in words.
#pragma once

#include <string>
#include <vector>

#include "data/example_store.h"

namespace svtune {

// Examples cut short, examples without a token to learn from, bad records, which are listed on
// lines of their own, columns that are not used, and what the chat template cannot show. Empty
// when all is used.
std::vector<std::string> data_losses(const ExampleStore& store);

}  // namespace svtune
