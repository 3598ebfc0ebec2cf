// Images with labels: a folder whose sub folders are the classes, a table with paths, or a pair of
// IDX files as MNIST has. Paths are held in memory, and the pixels of IDX files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/image_options.h"
#include "data/labelled_records.h"
#include "images/idx.h"
#include "images/image.h"

namespace svtune {

struct ImageRecords {
  // `first` of a record is the image's path, "" in an IDX file; `line` its row in a table, its
  // number from 1 in an IDX file, 0 in a folder. Labels, hold-outs and samples are those of all
  // labelled records (label_set.h, labelled_sample.h).
  LabelledRecords table;
  std::shared_ptr<const IdxImages> idx;  // unset: images are files

  // The image's file or its number in the IDX file, with the row that names it, for messages.
  std::string image_name(const LabelledRecord& record) const;
  bool is_table() const { return !idx && !table.records.empty() && table.records[0].line > 0; }
};

// Reads `path`: a folder (the class of a file is the sub folder of `path` that it lies in, at any
// depth; hidden files are left out), an IDX file of images (labels are in the file whose name has
// "labels" for "images" and "idx1" for "idx3"), else a table (CSV, TSV, JSON; relative paths are
// looked for beside it). Images are not opened. Throws FileError for what read_labelled() refuses,
// a folder without sub folders, a sub folder without files, files beside the sub folders, links
// that form a ring, IDX files of different counts; UsageError for columns that are not there.
ImageRecords read_images(const std::filesystem::path& path, const ImageOptions& options);

// For images that no table lists: throws UsageError when an option is given that says how a table
// is read. `source` is where they are.
void refuse_table_options(const ImageOptions& options, const std::filesystem::path& source);

// The same images with other records, e.g. those of hold_out(records.table, ...).
ImageRecords with_records(const ImageRecords& images, LabelledRecords table);

// The image of a record, decoded; `hash` gets that of its bytes as they are stored. Throws
// FileError that starts with image_name().
Image load_image(const ImageRecords& images, const LabelledRecord& record,
                 std::uint64_t* hash = nullptr);

}  // namespace svtune
