#include "data/image_records.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/text_util.h"
#include "data/image_folder.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

// "train-labels-idx1-ubyte" of "train-images-idx3-ubyte"; "" for a name without "images".
std::string labels_name(const std::string& name) {
  const std::string out = replace_all(replace_all(name, "images", "labels"), "idx3", "idx1");
  return out == name ? "" : out;
}

fs::path labels_beside(const fs::path& images) {
  const std::string name = labels_name(images.filename().string());
  if (name.empty()) {
    throw FileError(images.string(),
                    "an IDX file whose name has no \"images\", so that the file of "
                    "its labels cannot be told",
                    "Name them as MNIST does: train-images-idx3-ubyte, train-labels-idx1-ubyte.");
  }
  const fs::path beside = images.parent_path() / name;
  const fs::path other = beside.extension() == ".gz" ? fs::path(beside).replace_extension()
                                                     : fs::path(beside) += ".gz";
  for (const fs::path& path : {beside, other}) {
    if (fs::exists(path)) return path;
  }
  throw FileError(images.string(), "the labels are not there: " + beside.string());
}

ImageRecords read_idx_pair(const fs::path& path) {
  const fs::path labels_path = labels_beside(path);
  ImageRecords out;
  out.table.name = path.string();
  out.table.text_columns = "image";
  out.table.label_column = "label";
  out.idx = std::make_shared<const IdxImages>(read_idx_images(path));
  const std::vector<std::uint8_t> labels = read_idx_labels(labels_path);
  if (static_cast<std::int64_t>(labels.size()) != out.idx->count) {
    throw FileError(labels_path.string(), std::to_string(labels.size()) + " labels, where " +
                                              path.string() + " has " +
                                              std::to_string(out.idx->count) + " images");
  }
  std::int64_t number = 0;
  for (const std::uint8_t label : labels) {
    LabelledRecord record;
    record.label = std::to_string(label);
    record.line = ++number;
    out.table.records.push_back(std::move(record));
  }
  return out;
}

ImageRecords read_table(const fs::path& path, const ImageOptions& options) {
  LabelledOptions table = options.table;
  table.images = true;
  table.text_columns.clear();
  if (!options.image_column.empty()) table.text_columns = {options.image_column};
  ImageRecords out;
  out.table = read_labelled(path, table);
  for (BadRecord& bad : out.table.bad) bad.place = out.table.name + ":" + bad.place;
  for (LabelledRecord& record : out.table.records) {
    record.first = (path.parent_path() / record.first).lexically_normal().string();
  }
  return out;
}

// What the path of an image that cannot be opened may be instead; "" for nothing that is known.
std::string hint_of_path(const std::string& path) {
  if (path.find(":/") != std::string::npos) {
    return "Images are read from files, not by addresses: give paths.";
  }
  if (path.find('\\') != std::string::npos) return "Folders are separated by / in paths.";
  if (path.find("/~/") != std::string::npos) return "~ is no folder here: write paths out.";
  return "";
}

}  // namespace

std::string ImageRecords::image_name(const LabelledRecord& record) const {
  if (idx) return table.name + ": image " + std::to_string(record.line);
  if (record.line == 0) return record.first;
  return record.first + " (" + table.place(record) + ")";
}

ImageRecords read_images(const fs::path& path, const ImageOptions& options) {
  std::error_code unknown;  // said by what opens the path
  if (fs::is_directory(path, unknown)) {
    return {read_image_folder(path, options.table.skip_bad_lines), {}};
  }
  if (fs::is_regular_file(path, unknown) && is_idx(path)) return read_idx_pair(path);
  return read_table(path, options);
}

void refuse_table_options(const ImageOptions& options, const fs::path& source) {
  std::string given;
  if (!options.image_column.empty()) given = "--image-column";
  if (!options.table.label_column.empty()) given = "--label-column";
  if (options.table.table != TableForm::kAuto) given = "--table";
  if (!options.table.header) given = "--no-header";
  if (given.empty()) return;
  throw UsageError(
      given + " says how a table of images is read, but " + source.string() + " is none",
      "Leave it out, or give the table in place of the images.");
}

ImageRecords with_records(const ImageRecords& images, LabelledRecords table) {
  return {std::move(table), images.idx};
}

Image load_image(const ImageRecords& images, const LabelledRecord& record, std::uint64_t* hash) {
  if (images.idx) {
    Image image = images.idx->image(record.line - 1);
    if (hash != nullptr) *hash = hash64(std::as_bytes(std::span(image.rgb)));
    return image;
  }
  const std::string name = images.image_name(record);
  std::string bytes;
  try {
    bytes = read_file(record.first, kMostImageBytes);
  } catch (const FileError& error) {
    if (name == record.first) throw;
    const std::string text = error.what();
    const std::string prefix = error.path() + ": ";
    const std::string other = hint_of_path(record.first);
    throw FileError(name, text.starts_with(prefix) ? text.substr(prefix.size()) : text,
                    other.empty() ? error.hint() : other);
  }
  if (hash != nullptr) *hash = hash64(bytes);
  return decode_image(std::as_bytes(std::span(bytes)), name);
}

}  // namespace svtune
