// A paper's figures beside those of a run, for its report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/report_input.h"
#include "train/recipes/recipe.h"

namespace svtune {

// What the labels of these facts begin with.
inline constexpr const char* kPaperFact = "Paper: ";

// {"Recipe", "svft-glue-cola-plain (SVFT 2405.19597, Table 11, ...)"}.
ReportFact recipe_fact(const Recipe& recipe);

// A fact for each metric: {"Paper: matthews", "70.95 (CoLA); here 69.80"}. The run's own number is
// of the evaluation after `step`, else of the last one; where it has none the paper's stands alone.
std::vector<ReportFact> paper_facts(const Recipe& recipe, const std::vector<MetricPoint>& points,
                                    std::optional<std::int64_t> step);

}  // namespace svtune
