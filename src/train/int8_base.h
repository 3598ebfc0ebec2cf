// --base-compute int8: the frozen matrices of a run multiply in int8 (nn/int8_weight.h).
#pragma once

#include <optional>
#include <string>

#include "train/train_session.h"

namespace svtune {

// Does nothing without --base-compute int8. Gives every layer but the head whose products read a
// frozen matrix int8 products, and warns where they are not faster on this machine. With `measure`
// returns the loss before and after on some documents of the data, once the observer has it.
// Throws UsageError when no layer has such a matrix, RunError when the losses differ by more than
// kInt8Tolerance, ModelError where the processor cannot do it.
std::optional<Int8Losses> enter_int8(TrainSession& session, const Attached& attached, bool measure,
                                     RunObserver& observer);

inline constexpr double kInt8Tolerance = 5e-3;  // of the loss, or nats where that is below 1

// Throws RunError with both values when they differ by more.
void check_int8_loss(const Int8Losses& losses);

// "+0.19 %".
std::string change_text(const Int8Losses& losses);

}  // namespace svtune
