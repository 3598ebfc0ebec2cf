// Which columns of a table hold the texts and the label.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "data/labelled_options.h"

namespace svtune {

struct LabelledColumns {
  std::vector<std::string> texts;  // one or two
  std::string label;
  std::vector<std::size_t> text_indices;  // in the names they were chosen from
  std::size_t label_index = 0;
  std::optional<std::size_t> adapter_index = {};
};

// Of the columns `names`: those that the options name, by name or by number from 1, else those of
// GLUE's tasks and their like; the adapter's where there is one. Throws UsageError for a column
// that is not there, more than two texts or one that is the label, FileError naming `place` when
// there is nothing to go by, and for a name that several have.
LabelledColumns choose_columns(const std::vector<std::string>& names,
                               const LabelledOptions& options, const std::string& place);

// The index from 0 of a column that is named by its number from 1; nothing where `text` is no
// number or there is no such column.
std::optional<std::size_t> column_index(const std::string& text, std::size_t columns);

}  // namespace svtune
