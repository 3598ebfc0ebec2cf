#include "data/image_folder.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

// What cannot be looked at is no folder here; what opens it says why.
bool is_folder(const fs::path& path) {
  std::error_code unknown;
  return fs::is_directory(path, unknown);
}

// Without links.
fs::path real_path(const fs::path& folder) {
  std::error_code error;
  fs::path real = fs::weakly_canonical(folder, error);
  if (error) throw FileError(folder.string(), "cannot follow the path: " + error.message());
  return real;
}

// Sorted by name, without hidden ones.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    if (!entries->path().filename().string().starts_with(".")) out.push_back(entries->path());
  }
  if (error) throw FileError(folder.string(), "cannot read the folder: " + error.message());
  std::ranges::sort(out);
  return out;
}

// Appends all files below `folder`. `above`: the folders on the way, without links.
void add_files(const fs::path& folder, std::vector<fs::path>& above, std::vector<fs::path>& out) {
  fs::path real = real_path(folder);
  if (std::ranges::find(above, real) != above.end()) {
    throw FileError(folder.string(), "this link leads back to a folder that it lies in");
  }
  above.push_back(std::move(real));
  for (const fs::path& entry : entries_of(folder)) {
    if (is_folder(entry)) {
      add_files(entry, above, out);
    } else {
      out.push_back(entry);
    }
  }
  above.pop_back();
}

bool is_name_of_a_split(const fs::path& folder) {
  constexpr std::array<std::string_view, 9> kSplits = {
      "train", "training", "test", "testing", "val", "valid", "dev", "validation", "eval"};
  const std::string name = to_lower_ascii(folder.filename().string());
  return std::ranges::find(kSplits, name) != kSplits.end();
}

bool names_a_table(const fs::path& file) {
  const std::string end = to_lower_ascii(file.extension().string());
  return end == ".csv" || end == ".tsv" || end == ".jsonl" || end == ".json";
}

// Names of classes go into JSON files, which hold nothing else.
void require_utf8(const fs::path& folder) {
  if (is_valid_utf8(folder.filename().string())) return;
  throw FileError(folder.string(), "the folder's name, which is that of a class, is no UTF-8",
                  "Rename the folder; convmv does so for many.");
}

void require_classes(const fs::path& path, const std::vector<fs::path>& folders) {
  if (folders.empty()) {
    throw FileError(path.string(), "the folder has no sub folders; their names are the classes",
                    "Images that are listed in a table are read by giving the table.");
  }
  std::vector<std::string> splits;
  for (const fs::path& folder : folders) {
    if (is_name_of_a_split(folder)) splits.push_back(folder.filename().string());
  }
  // One of them beside others may be a class: CIFAR-100 has trains.
  if (splits.size() == folders.size() || splits.size() > 1) {
    throw FileError(path.string(),
                    "the sub folders are parts of a data set, no classes: " + join(splits, ", "),
                    "Give one of them with --data, another with --eval-data.");
  }
}

}  // namespace

LabelledRecords read_image_folder(const fs::path& path, bool skip) {
  LabelledRecords out;
  out.name = path.string();
  out.text_columns = "image";
  out.label_column = "folder";
  std::vector<fs::path> folders, strays;
  for (const fs::path& entry : entries_of(path)) {
    (is_folder(entry) ? folders : strays).push_back(entry);
  }
  require_classes(path, folders);
  for (const fs::path& stray : strays) {
    const std::string problem = "this file belongs to no class: it lies beside the sub folders";
    if (!skip) {
      const std::string table =
          names_a_table(stray) ? "A table of images is read by giving it with --data. " : "";
      throw FileError(stray.string(), problem,
                      table + "Take it away, or leave such files out with --skip-bad-lines.");
    }
    out.leave_out(stray.string(), problem);
  }
  std::vector<fs::path> above = {real_path(path)};
  for (const fs::path& folder : folders) {
    require_utf8(folder);
    std::vector<fs::path> files;
    add_files(folder, above, files);
    if (files.empty()) {
      throw FileError(folder.string(), "the folder of this class has no file",
                      "Put images into it, or take it away.");
    }
    for (const fs::path& file : files) {
      out.records.push_back({file.string(), {}, folder.filename().string(), 0});
    }
  }
  return out;
}

}  // namespace svtune
