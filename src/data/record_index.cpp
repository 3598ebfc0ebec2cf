#include "data/record_index.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/compressed.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;
constexpr std::size_t kListedProblems = 20;

bool needs_unpacking(const std::filesystem::path& path) {
  if (path == "-" || !std::filesystem::is_regular_file(path)) return true;
  std::array<unsigned char, 4> magic{};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t got = ::read(fd, magic.data(), magic.size());
  ::close(fd);
  if (got < 4) return false;
  const bool gzip = magic[0] == 0x1f && magic[1] == 0x8b;
  const bool zstd = magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
  return gzip || zstd;
}

// Unpacks into an unnamed temporary file and maps it.
MappedFile unpack(const std::filesystem::path& path) {
  const std::unique_ptr<ByteSource> source = open_byte_source(path);
  std::string name = (std::filesystem::temp_directory_path() / "svtune-data-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  if (fd < 0) throw FileError(name, "cannot create a temporary file");
  ::close(fd);
  std::vector<char> buffer(1 << 20);
  try {
    AtomicFile file(name);
    for (std::size_t got; (got = source->read(buffer)) > 0;) file.write(buffer.data(), got);
    file.commit();
    MappedFile mapped(name);
    std::filesystem::remove(name);
    return mapped;
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(name, ignored);
    throw;
  }
}

std::string_view text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::size_t skip_mark(std::string_view text) { return text.starts_with("\xEF\xBB\xBF") ? 3 : 0; }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

RecordIndex::RecordIndex(const std::filesystem::path& path, const RecordIndexOptions& options)
    : name_(path == "-" ? "standard input" : path.string()),
      file_(needs_unpacking(path) ? unpack(path) : MappedFile(path)) {
  const std::string_view text = text_of(file_);
  std::size_t at = skip_mark(text);
  while (at < text.size() && is_blank(text[at])) ++at;
  if (at < text.size() && text[at] == '[') {
    index_array(options);
  } else {
    index_lines(options);
  }
}

void RecordIndex::add(std::size_t begin, std::size_t end, std::int64_t line,
                      const RecordIndexOptions& options) {
  const std::string_view text = text_of(file_).substr(begin, end - begin);
  std::string problem;
  try {
    if (text.size() > kMaxRecordBytes) {
      problem = "record is longer than 16 MiB";
    } else if (!is_valid_utf8(text)) {
      problem = "record is not valid UTF-8";
    } else {
      const Json record = parse_json(text, "");
      problem = !record.is_object() ? "need a JSON object" : options.check(record);
    }
  } catch (const FileError& error) {
    problem = error.what();
    if (problem.starts_with(": ")) problem.erase(0, 2);
  }
  if (problem.empty()) {
    records_.push_back(
        {begin, static_cast<std::uint32_t>(end - begin), static_cast<std::uint32_t>(line)});
    return;
  }
  if (!options.skip_bad_lines) {
    throw FileError(name_ + ":" + std::to_string(line), problem,
                    "Mend the record, or leave such records out with --skip-bad-lines.");
  }
  ++num_bad_;
  if (bad_.size() < kListedProblems) bad_.push_back({line, problem});
}

void RecordIndex::index_lines(const RecordIndexOptions& options) {
  const std::string_view text = text_of(file_);
  std::size_t begin = skip_mark(text);
  for (std::int64_t line = 1; begin < text.size(); ++line) {
    std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) end = text.size();
    std::size_t first = begin, last = end;
    while (first < last && is_blank(text[first])) ++first;
    while (last > first && is_blank(text[last - 1])) --last;
    if (first < last) add(first, last, line, options);
    begin = end + 1;
  }
}

// Finds the top-level objects of an array by counting brackets outside strings.
void RecordIndex::index_array(const RecordIndexOptions& options) {
  const std::string_view text = text_of(file_);
  std::int64_t line = 1, start_line = 1;
  int depth = 0;
  bool in_string = false;
  std::size_t begin = 0;
  for (std::size_t i = skip_mark(text); i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth == 2) {
        begin = i;
        start_line = line;
      }
    } else if (c == '}' || c == ']') {
      if (--depth == 1) add(begin, i + 1, start_line, options);
      if (depth == 0) return;
    }
  }
  throw FileError(name_ + ":" + std::to_string(line), "the JSON array is not closed",
                  "Was the file cut off?");
}

Json RecordIndex::read(std::int64_t index) const {
  const Record& record = records_.at(static_cast<std::size_t>(index));
  return parse_json(text_of(file_).substr(record.begin, record.size), name_);
}

}  // namespace svtune
