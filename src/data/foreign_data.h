// Files that people hand over as training data and that are neither JSON lines nor a JSON
// array, recognised by their first bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace svtune {

struct ForeignData {
  std::string what;  // "is a Parquet file"
  std::string hint;  // how to make JSON lines of it
};

// How many first bytes recognise_foreign() wants to see; fewer when the file is shorter.
inline constexpr std::size_t kForeignBytes = 4096;

// What a file called `name` that starts with `start` is; nothing when it may be JSON.
std::optional<ForeignData> recognise_foreign(std::string_view start, std::string_view name);

}  // namespace svtune
