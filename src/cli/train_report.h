// What a run shows of itself: the start on the terminal, the facts and samples of its report.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "cli/train_session.h"
#include "report/run_files.h"

namespace svtune {

// Adapted layers, trainable share, memory and tokens of a step.
void print_start(const TrainSession& session, const Attached& attached,
                 const MemoryForecast& forecast, std::ostream& out);

// report.json at the start of a run; answers come later.
RunFiles start_files(const TrainSession& session, const Attached& attached,
                     const std::filesystem::path& run);

// Greedy answers to the first questions of the evaluation (else training) data.
std::vector<ReportSample> sample_questions(const TrainSession& session);
void add_answers(TrainSession& session, std::vector<ReportSample>& samples,
                 const std::string& label);

}  // namespace svtune
