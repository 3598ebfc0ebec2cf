// What a run shows of itself in report.json and report.html: facts, layers, sample answers.
#pragma once

#include <optional>

#include "report/run_files.h"
#include "train/train_session.h"

namespace svtune {

// The facts of a run that starts, or, without a base loss, those that it left when it started,
// and the samples with them.
RunFiles start_files(const TrainSession& session, const StartReport& start,
                     std::optional<double> base_loss);

// Facts of a run's end.
inline constexpr const char* kKeptFact = "Kept";
inline constexpr const char* kPeakFact = "Peak of the process";

// Greedy answers of the session's model as it stands to the first questions of the evaluation
// (else training) data, under kAnswerBefore or kAnswerAfter. Samples of the same questions keep
// their other answers; those of other questions go.
void answer_samples(const TrainSession& session, const char* label,
                    std::vector<ReportSample>& samples, RunObserver& observer);

}  // namespace svtune
