// Reading and writing files with one JSON object a line.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/json.h"

namespace svtune {

// The path as errors name it; "-" is the standard input.
std::string line_source(const std::filesystem::path& path);
// "path:line" in the same way.
std::string line_place(const std::filesystem::path& path, std::int64_t line);

// Whether the file can be read a second time: a regular file, no pipe or standard input.
bool can_reread(const std::filesystem::path& path);

// Throws UsageError when `output`, the value of `option`, is the file `data`, whose rows the other
// lines would take the place of.
void require_other_file(const std::filesystem::path& output, const std::filesystem::path& data,
                        const std::string& option);

// Calls `each` with every non-empty line as an object, and its number from 1. Reads plain,
// .gz and .zst files and "-". Returns how many lines hold lone surrogates, which are read as
// U+FFFD. Throws FileError "path:line: ..." for a line that is no object.
std::int64_t for_each_json_line(const std::filesystem::path& path,
                                const std::function<void(std::int64_t line, Json value)>& each);

// "NAME: 2 lines with half a character (a lone surrogate, as \ud83d), read as U+FFFD", where `one`
// is "line"; "" where there are none.
std::string surrogates_text(const std::string& name, std::int64_t count, const std::string& one);

// Writes lines to a file that appears when commit() is called, or to standard output ("-").
class JsonLinesWriter {
 public:
  explicit JsonLinesWriter(const std::filesystem::path& path);
  void write(const Json& value);
  void commit();
  // After a failure: what was written becomes the file "<path>.partial". nullopt when that is
  // nothing, went to standard output, or cannot be saved. Does not throw FileError.
  std::optional<std::filesystem::path> keep_partial();

 private:
  std::unique_ptr<AtomicFile> file_;  // null: standard output
};

// Calls `work` with a writer to `path` and commits. When `work` throws an Error, the lines written
// before are kept as "<path>.partial", and the error's hint says so.
void write_json_lines(const std::filesystem::path& path,
                      const std::function<void(JsonLinesWriter& writer)>& work);

}  // namespace svtune
