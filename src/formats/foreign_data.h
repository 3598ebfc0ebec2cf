// Files that people hand over as data and that are no text of the wanted form, recognised by
// their first bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace svtune {

struct ForeignData {
  std::string what;    // "is a Parquet file"
  std::string hint;    // how to make JSON lines of it
  char separator = 0;  // of a table's cells
};

// What is wanted: JSON lines or a JSON array, lines of any text, or CSV and TSV.
enum class DataForm { kJson, kLines, kTable };

// How many first bytes recognise_foreign() wants to see; fewer when the file is shorter.
inline constexpr std::size_t kForeignBytes = 4096;

// What a file called `name` that starts with `start` is; nothing when it may be what is wanted.
std::optional<ForeignData> recognise_foreign(std::string_view start, std::string_view name,
                                             DataForm wanted);

}  // namespace svtune
