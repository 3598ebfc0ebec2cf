// How a method starts on a base that its run quantises.
#pragma once

#include <functional>

#include "adapters/low_rank/low_rank_config.h"
#include "quant/low_rank_quant.h"

namespace svtune {

// `Trained` is the config of the method that trains on the quantised base.
template <class Trained>
struct QuantizedStart {
  QuantStart kind = QuantStart::kNone;
  LowRankConfig low_rank = {};  // of the part beside the quantised one; not for kNone
  // The method that trains that part, given its final sizes; not for kNone, where the run's own
  // method starts on the rounded weights as on any others.
  std::function<Trained(const LowRankConfig&)> trained = {};
};

}  // namespace svtune
