// How data sets of images are read: options of training and evaluation.
#pragma once

#include <string>

#include "base/fields.h"
#include "data/labelled_options.h"

namespace svtune {

struct ImageOptions {
  std::string image_column = {};
  // The table's form, its label column and its header; `text_columns` is not used.
  LabelledOptions table = {};  // no field: commands have one for all kinds of records

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(
        self.image_column,
        {.name = "image_column",
         .help = "Column of the image's path in CSV, TSV and JSON, by name or by number from 1; by "
                 "default image, path, file_name and their like",
         .value_name = "NAME"});
  }
};

}  // namespace svtune
