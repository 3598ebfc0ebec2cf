// What both adapter_config.json and svtune.json say of an adapter.
#pragma once

#include <string>
#include <vector>

#include "attach/attach.h"

namespace svtune {

// The keys of adapter_config.json, which `read` follows, that `told` of svtune.json contradicts:
// saved by that record the same tensors would be another adapter. How the factors started is no
// such key.
std::vector<std::string> contradicted_keys(const AdapterRecord& told, const Attached& read);

}  // namespace svtune
