// The report's parts other than the charts, as HTML. Each is "" when it has nothing to show.
#pragma once

#include <string>
#include <vector>

#include "report/report_input.h"

namespace svtune {

// Names of the runs with their colours; a checkbox each hides the run in the charts.
std::string legend_section(const std::vector<ReportRun>& runs);

// One row a run: last loss, best evaluation, speed, peak memory, time, trainable share, facts.
std::string figures_section(const std::vector<ReportRun>& runs);

// Adapted matrices grouped by kind with their share of the trainable parameters, and all of
// them one by one in a fold.
std::string layers_section(const std::vector<ReportRun>& runs);

std::string samples_section(const std::vector<ReportSample>& samples);

// How held-out classes were predicted: what was taken for what, and some documents.
std::string classes_section(const std::vector<ReportRun>& runs);

// One column a run; with several runs the options that differ come first.
std::string config_section(const std::vector<ReportRun>& runs);

}  // namespace svtune
