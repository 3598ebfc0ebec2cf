// report.html: what a run, or several side by side, did; one file that needs no network.
//
// The charts are drawn twice: as plain SVG for readers without JavaScript, mail and print, and
// again by the page's script with a read-out, logarithmic scales and smoothing.
#pragma once

#include <string>

#include "report/report_input.h"

namespace svtune {

// The whole page. Equal input gives equal bytes. Texts that are not UTF-8 are repaired.
std::string render_report(const ReportInput& input);

}  // namespace svtune
