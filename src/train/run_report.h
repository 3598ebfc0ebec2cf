// What a run shows of itself in report.json and report.html: facts, layers, sample answers.
#pragma once

#include <optional>

#include "report/run_files.h"
#include "train/train_session.h"

namespace svtune {

// The facts of a run that starts, or, without a base loss, those that it left when it started.
RunFiles start_files(const TrainSession& session, const StartReport& start,
                     std::optional<double> base_loss);

inline constexpr const char* kPeakFact = "Peak of the process";

// Greedy answers to the first questions of the evaluation (else training) data, of the trained
// model and of the one the run started from. The latter is read from its files, into the place
// of the former: `attached` and the session's network are of no use afterwards.
std::vector<ReportSample> answer_samples(TrainSession& session, Attached& attached,
                                         RunObserver& observer);

}  // namespace svtune
