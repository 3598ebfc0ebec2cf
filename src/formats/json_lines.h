// Reading and writing files with one JSON object a line.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/files.h"
#include "base/json.h"

namespace svtune {

// "path:line", as errors name a place; "-" is the standard input.
std::string line_place(const std::filesystem::path& path, std::int64_t line);

// Calls `each` with every non-empty line as an object, and its number from 1. Reads plain,
// .gz and .zst files and "-". Throws FileError "path:line: ..." for a line that is no object.
void for_each_json_line(const std::filesystem::path& path,
                        const std::function<void(std::int64_t line, Json value)>& each);

// Writes lines to a file that appears when commit() is called, or to standard output ("-").
class JsonLinesWriter {
 public:
  explicit JsonLinesWriter(const std::filesystem::path& path);
  void write(const Json& value);
  void commit();

 private:
  std::unique_ptr<AtomicFile> file_;  // null: standard output
};

}  // namespace svtune
