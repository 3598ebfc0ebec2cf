// JSON as model files need it: tolerant where the ecosystem's files are sloppy (byte order
// mark, NaN and Infinity, integers beyond 64 bits, lone surrogates), strict elsewhere, with
// errors that give line and column. Objects keep the order of their keys.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace svtune {

using Json = nlohmann::ordered_json;

struct JsonOptions {
  int max_depth = 64;
  std::int64_t first_line = 1;  // of the text within its file, for errors
  // Two values that differ. Else the last one wins, at the place of the first, as in Python.
  bool reject_duplicate_keys = false;
  // Where one is given: is raised by the number of lone surrogates, which are replaced.
  std::int64_t* lone_surrogates = nullptr;
};

// Parses one JSON value; `source_name` (usually a path) starts the message of every error.
// NaN and ±Infinity become doubles, integers beyond 64 bits the nearest double, lone
// surrogates U+FFFD. Throws FileError "source:line:column: ...".
// Look-up in a Json object is linear: index large ones (vocabularies) in your own map.
Json parse_json(std::string_view text, const std::string& source_name, JsonOptions options = {});

// Reads and parses a file of at most max_bytes. A key with two different values is an error.
Json read_json_file(const std::filesystem::path& path,
                    std::uint64_t max_bytes = std::uint64_t{1} << 28);

// The same of a file that holds an object; throws FileError for another value.
Json read_json_object(const std::filesystem::path& path);

// Appends without looking whether `key` exists: for large objects with distinct keys, where
// operator[] would take quadratic time.
void append_member(Json& object, std::string key, Json value);

struct JsonStyle {
  int indent = -1;  // spaces per level; negative: one line with ", " and ": "
  bool sort_keys = false;
  bool final_newline = false;
  bool ensure_ascii = false;  // \uXXXX instead of UTF-8
};

// Text as Python's json.dumps prints it (floats by shortest round trip: 1e-05, 10000.0;
// NaN, Infinity). Bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value, const JsonStyle& style);
std::string dump_json(const Json& value, int indent = -1);

// repr() of a Python float.
std::string python_float(double value);

}  // namespace svtune
