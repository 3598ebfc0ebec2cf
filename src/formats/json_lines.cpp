#include "formats/json_lines.h"

#include <array>
#include <iostream>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/compressed.h"
#include "formats/foreign_data.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;

// `start`: the first kForeignBytes of the file or more, or all of it.
void refuse_other_kinds(std::string_view start, const std::string& source) {
  const auto foreign = recognise_foreign(start.substr(0, kForeignBytes), source, DataForm::kJson);
  if (foreign) throw FileError(source, foreign->what, foreign->hint);
  start = without_byte_order_mark(start);
  const std::size_t first = start.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || start[first] != '[') return;
  throw FileError(source, "is a JSON array, need a JSON object on each line",
                  "Make lines of it, e.g. with: jq -c '.[]' FILE > NEWFILE.");
}

// Returns 1 for a line with lone surrogates, else 0.
std::int64_t handle_line(const std::string& line, std::int64_t number, const std::string& source,
                         const std::function<void(std::int64_t, Json)>& each) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return 0;
  const std::string place = source + ":" + std::to_string(number);
  std::int64_t lone_surrogates = 0;
  Json value = parse_json(
      line, source,
      {.first_line = number, .reject_duplicate_keys = true, .lone_surrogates = &lone_surrogates});
  if (!value.is_object()) throw FileError(place, "need a JSON object on each line");
  each(number, std::move(value));
  return lone_surrogates > 0 ? 1 : 0;
}

}  // namespace

std::string line_source(const std::filesystem::path& path) {
  return path == "-" ? "standard input" : path.string();
}

std::string line_place(const std::filesystem::path& path, std::int64_t line) {
  return line_source(path) + ":" + std::to_string(line);
}

bool can_reread(const std::filesystem::path& path) {
  std::error_code ignored;
  return path != "-" && std::filesystem::is_regular_file(path, ignored);
}

void require_other_file(const std::filesystem::path& output, const std::filesystem::path& data,
                        const std::string& option) {
  std::error_code failed;
  const bool same = std::filesystem::equivalent(output, data, failed);
  if (failed || !same || !std::filesystem::is_regular_file(output, failed)) return;
  throw UsageError(option + " names the file of --data, whose rows would be lost",
                   "Choose another file.");
}

std::int64_t for_each_json_line(const std::filesystem::path& path,
                                const std::function<void(std::int64_t, Json)>& each) {
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  std::string pending;
  std::array<char, 1 << 16> buffer;
  std::int64_t number = 0, replaced = 0;
  for (bool started = false;; started = true) {
    const std::size_t got = source->read(buffer);
    pending.append(buffer.data(), got);
    if (!started) refuse_other_kinds(pending, source->name());
    std::size_t begin = 0, end;
    while ((end = pending.find('\n', begin)) != std::string::npos) {
      replaced += handle_line(pending.substr(begin, end - begin), ++number, source->name(), each);
      begin = end + 1;
    }
    pending.erase(0, begin);
    if (pending.size() > kMaxLineBytes) {
      throw FileError(source->name() + ":" + std::to_string(number + 1),
                      "line is longer than 64 MiB");
    }
    if (got == 0) break;
  }
  return replaced + handle_line(pending, number + 1, source->name(), each);
}

std::string surrogates_text(const std::string& name, std::int64_t count, const std::string& one) {
  if (count == 0) return "";
  return name + ": " + std::to_string(count) + " " + one + (count == 1 ? "" : "s") +
         " with half a character (a lone surrogate, as \\ud83d), read as U+FFFD";
}

JsonLinesWriter::JsonLinesWriter(const std::filesystem::path& path) {
  if (path != "-") file_ = std::make_unique<AtomicFile>(path);
}

void JsonLinesWriter::write(const Json& value) {
  const std::string line = dump_json(value) + "\n";
  if (file_) {
    file_->write(line);
  } else {
    std::cout << line;
  }
}

std::optional<std::filesystem::path> JsonLinesWriter::keep_partial() {
  if (!file_ || file_->bytes_written() == 0) return std::nullopt;
  std::filesystem::path path = file_->path();
  path += ".partial";
  try {
    file_->commit_as(path);
  } catch (const FileError&) {
    return std::nullopt;  // e.g. of a full disk, which is what failed before
  }
  if (file_->in_place()) return std::nullopt;  // it went where it was to go
  return path;
}

void write_json_lines(const std::filesystem::path& path,
                      const std::function<void(JsonLinesWriter& writer)>& work) {
  JsonLinesWriter writer(path);
  try {
    work(writer);
    writer.commit();
  } catch (Error& error) {
    const auto kept = writer.keep_partial();
    if (kept) error.add_to_hint("What was written before is in " + kept->string() + ".");
    throw;
  }
}

void JsonLinesWriter::commit() {
  if (file_) {
    file_->commit();
  } else {
    std::cout.flush();
  }
}

}  // namespace svtune
