// Pages without a script: their frame and the pieces that they share.
#pragma once

#include <string>
#include <vector>

#include "report/report_input.h"
#include "report/spectrum_layer.h"

namespace svtune {

struct PageHead {
  std::string title, subtitle, footer;  // plain text
};

// The whole page around `body`, which is HTML; needs no network. Equal input gives equal bytes.
std::string static_page(const PageHead& head, const std::string& body);

// A cell of a table with plain text, set as a number.
std::string number_cell(const std::string& text);
// The same as heads of columns.
std::string head_cells(const std::vector<std::string>& names);
// `head` and `rows` are HTML.
std::string table(const std::string& head, const std::string& rows);
std::string facts_list(const std::vector<ReportFact>& facts);
// Thirds of an update as parts of one bar.
std::string share_bar(const UpdateShares& shares);

}  // namespace svtune
