// What a run's report shows of held-out classes.
#pragma once

#include <cstdint>

#include "data/labelled_documents.h"
#include "eval/label_meter.h"
#include "report/report_input.h"

namespace svtune {

// Sets the run's confusion and its predictions: the wrong documents, or words, that the model was
// surest of, and right ones chosen by the seed; of images with small pictures, or with what is
// wrong where a file can no longer be read. Requires: `meter` has seen all of `data`, which has
// classes, in order.
void report_classes(const LabelledDocuments& data, const LabelMeter& meter, std::uint64_t seed,
                    ReportRun& run);

}  // namespace svtune
