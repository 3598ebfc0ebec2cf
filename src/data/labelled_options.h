// How records with labels are read: options of training and evaluation.
#pragma once

#include <string>
#include <vector>

#include "base/fields.h"

namespace svtune {

enum class TableForm { kAuto, kJson, kCsv, kTsv, kWords };
inline constexpr EnumName<TableForm> kTableFormNames[] = {
    {TableForm::kAuto, "auto",
     "by the file's name: .csv, .tsv, else JSON; with --task tag words in .tsv, .txt, .conll, "
     ".iob, .iob2 and .bio"},
    {TableForm::kJson, "json", "JSON lines or a JSON array"},
    {TableForm::kCsv, "csv", "commas, quoted cells"},
    {TableForm::kTsv, "tsv", "tabs; quotes are characters like any other, as in GLUE"},
    {TableForm::kWords, "words",
     "with --task tag: a word and its class in a line, a blank line behind each text (CoNLL)"},
};
constexpr std::span<const EnumName<TableForm>> enum_names(TableForm) { return kTableFormNames; }

struct LabelledOptions {
  TableForm table = TableForm::kAuto;
  std::vector<std::string> text_columns = {};
  std::string label_column = {};
  bool header = true;
  bool skip_bad_lines = false;  // no field: commands have one for all kinds of records
  bool images = false;          // no field: the text is the path of an image (image_options.h)
  // No field: the column that names a record's adapter; empty: none does.
  std::string adapter_column = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.table, {.name = "table", .help = "Form of files with labels"});
    visit(self.text_columns,
          {.name = "text_columns",
           .help = "Column of the text, or two of a pair, by name or by number from 1; by default "
                   "those of GLUE's tasks and their like. With --task tag that of the words",
           .value_name = "NAME[,NAME]"});
    visit(self.label_column, {.name = "label_column",
                              .help = "Column of the label, by name or by number from 1",
                              .value_name = "NAME"});
    visit(self.header,
          {.name = "header", .help = "The first line of CSV and TSV names the columns"});
  }
};

}  // namespace svtune
