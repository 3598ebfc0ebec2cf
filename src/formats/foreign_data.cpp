#include "formats/foreign_data.h"

#include <algorithm>
#include <vector>

#include "base/text_util.h"

namespace svtune {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view start;
  const char* what;
  const char* hint;
  bool is_text = false;
};

constexpr const char* kPandasHint =
    "Make JSON lines of it, e.g. with pandas: "
    "pd.read_FORMAT(\"FILE\").to_json(\"data.jsonl\", orient=\"records\", lines=True).";
constexpr const char* kUnpackHint = "Unpack it first; .gz and .zst are read as they are.";
constexpr const char* kUtf8Hint = "Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEWFILE.";
constexpr const char* kUtf32Hint = "Convert it: iconv -f UTF-32 -t UTF-8 FILE > NEWFILE.";

constexpr const char* kPictureHint =
    "Images are given as a folder of folders, one for each class, or as a table with their paths.";

constexpr Signature kSignatures[] = {
    {"PAR1"sv, "is a Parquet file",
     "Make JSON lines of it, e.g. with pandas: "
     "pd.read_parquet(\"FILE\").to_json(\"data.jsonl\", orient=\"records\", lines=True)."},
    {"ARROW1"sv, "is an Arrow file", kPandasHint},
    {"\xFF\xFF\xFF\xFF"sv, "is an Arrow stream",
     "Make JSON lines of it, e.g. with datasets: "
     "Dataset.from_file(\"FILE\").to_json(\"data.jsonl\")."},
    {"version https://git-lfs"sv,
     "is a Git-LFS pointer: a few lines that stand for a file which was not downloaded",
     "Fetch the file itself, e.g. with: git lfs pull."},
    {"\xFF\xFE\0\0"sv, "is UTF-32 text", kUtf32Hint},
    {"\0\0\xFE\xFF"sv, "is UTF-32 text", kUtf32Hint},
    {"\xFF\xFE"sv, "is UTF-16 text", kUtf8Hint},
    {"\xFE\xFF"sv, "is UTF-16 text", kUtf8Hint},
    {"BZh"sv, "is compressed with bzip2", kUnpackHint},
    {"\xFD"
     "7zXZ"sv,
     "is compressed with xz", kUnpackHint},
    {"PK\x03\x04"sv, "is a zip archive or a spreadsheet", kUnpackHint},
    {"SQLite format 3\0"sv, "is an SQLite database", kPandasHint},
    {"\x89HDF"sv, "is an HDF5 file", kPandasHint},
    {"\x89PNG"sv, "is a picture (PNG)", kPictureHint},
    {"\xFF\xD8\xFF"sv, "is a picture (JPEG)", kPictureHint},
    {"gif8"sv, "is a picture (GIF)", kPictureHint, true},
    {"%pdf-"sv, "is a PDF", "Make text of it first, e.g. with pdftotext.", true},
    {"<!doctype"sv, "is an HTML page, not the data", "Download the file itself.", true},
    {"<html"sv, "is an HTML page, not the data", "Download the file itself.", true},
    {"<?xml"sv, "is an XML file", "Make JSON lines of it.", true},
};

// Texts are compared in lower case, behind white space and a byte order mark.
bool begins_with(std::string_view start, const Signature& signature) {
  if (!signature.is_text) return start.starts_with(signature.start);
  start = without_byte_order_mark(start);
  return to_lower_ascii(trim(start).substr(0, signature.start.size())) == signature.start;
}

// UTF-16 without its mark: ASCII text has a zero in every other byte.
bool looks_utf16(std::string_view start) {
  if (start.size() < 4) return false;
  const bool little = start[0] != 0 && start[1] == 0 && start[2] != 0 && start[3] == 0;
  const bool big = start[0] == 0 && start[1] != 0 && start[2] == 0 && start[3] != 0;
  return little || big;
}

// Between the name and the kind stands the size; a text may begin with the name.
bool is_riff(std::string_view start) {
  if (!start.starts_with("RIFF") || start.size() < 12) return false;
  const std::string_view kind = start.substr(8, 4);
  return kind == "WEBP" || kind == "WAVE" || kind == "AVI ";
}

std::size_t count_of(std::string_view line, char separator) {
  return static_cast<std::size_t>(std::count(line.begin(), line.end(), separator));
}

bool is_named_table(std::string_view name, std::string_view start) {
  if (name.ends_with(".gz")) name.remove_suffix(3);
  if (name.ends_with(".zst")) name.remove_suffix(4);
  const std::string_view text = trim(start);
  const bool json = text.starts_with('{') || text.starts_with('[');
  return !json && !text.empty() && (name.ends_with(".csv") || name.ends_with(".tsv"));
}

ForeignData delimited(char separator) {
  const std::string shown = separator == '\t' ? "\\t" : std::string(1, separator);
  return {"looks like " + std::string(separator == '\t' ? "TSV" : "CSV") + ", not like JSON lines",
          "Make JSON lines of it, e.g. with pandas: pd.read_csv(\"FILE\", sep=\"" + shown +
              "\").to_json(\"data.jsonl\", orient=\"records\", lines=True).",
          separator};
}

// A header of plain names and a second line, both cut by the same separator.
bool looks_like_table(std::string_view start, char separator) {
  const std::size_t newline = start.find('\n');
  if (newline == std::string_view::npos) return false;
  const std::string_view header = start.substr(0, newline);
  const std::string_view second =
      start.substr(newline + 1, start.find('\n', newline + 1) - newline);
  constexpr std::string_view kNotInNames = "{}[]:";
  return count_of(header, separator) > 0 && !trim(header).empty() &&
         header.find_first_of(kNotInNames) == std::string_view::npos && !trim(second).empty() &&
         trim(second).front() != '{' && count_of(second, separator) >= count_of(header, separator);
}

}  // namespace

std::optional<ForeignData> recognise_foreign(std::string_view start, std::string_view name,
                                             DataForm wanted) {
  for (const Signature& each : kSignatures) {
    if (each.is_text && wanted == DataForm::kLines) continue;
    if (begins_with(start, each)) return ForeignData{each.what, each.hint, 0};
  }
  if (is_riff(start)) return ForeignData{"is a picture, sound or film (RIFF)", kPictureHint, 0};
  if (looks_utf16(start)) return ForeignData{"is UTF-16 text", kUtf8Hint, 0};
  if (wanted != DataForm::kJson) return std::nullopt;
  start = without_byte_order_mark(start);
  for (const char separator : {',', '\t', ';'}) {
    if (looks_like_table(start, separator)) return delimited(separator);
  }
  if (is_named_table(name, start)) return delimited(name.find(".tsv") != name.npos ? '\t' : ',');
  return std::nullopt;
}

}  // namespace svtune
