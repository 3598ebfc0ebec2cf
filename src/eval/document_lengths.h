// Whether a model has positions for the documents of a data set.
#pragma once

#include <cstdint>
#include <string>

#include "data/document_store.h"
#include "models/network.h"

namespace svtune {

// Throws UsageError where one of the first `count` documents has more tokens than `net` has learned
// positions, saying how many have and what cuts them. `name`: of the data.
void require_positions(const Network& net, const DocumentStore& documents, std::int64_t count,
                       const std::string& name);

}  // namespace svtune
