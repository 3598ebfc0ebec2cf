// For tests only: gradients against central differences of the loss.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>

#include "base/random.h"
#include "libtorch/prelude.h"
#include "nn/adapter_set.h"

namespace svtune::test {

struct DifferenceOptions {
  double step = 1e-5;
  int places = 1;         // of each trained tensor, chosen at random
  bool may_lack = false;  // a gradient, as of an expert that no token goes to
};

// Expects the gradients that one backward pass of the fp64 `loss` leaves in every trained tensor
// to equal its differences. Returns how many places were compared.
inline std::int64_t expect_gradients_of(const std::function<at::Tensor()>& loss,
                                        const AdapterSet& adapters,
                                        const DifferenceOptions& options = {}) {
  loss().backward();
  Xoshiro256 random(3);
  std::int64_t compared = 0;
  for (const Trainable& each : adapters.trainables()) {
    if (!each.tensor.grad().defined()) {
      EXPECT_TRUE(options.may_lack) << each.name << " has no gradient";
      continue;
    }
    const at::Tensor values = each.tensor.detach().view({-1});
    const at::Tensor gradient = each.tensor.grad().reshape({-1});
    for (int i = 0; i < options.places; ++i) {
      const auto index = static_cast<std::int64_t>(random.bounded(values.numel()));
      const auto loss_at = [&](double value) {
        const at::NoGradGuard no_grad;
        values[index].fill_(value);
        adapters.refresh();
        return loss().item<double>();
      };
      const double middle = values[index].item<double>(), step = options.step;
      const double numeric = (loss_at(middle + step) - loss_at(middle - step)) / (2 * step);
      loss_at(middle);
      // Central differences err by step^2 and by the rounding of the loss over the step.
      EXPECT_NEAR(gradient[index].item<double>(), numeric, 1e-6 + 1e-5 * std::abs(numeric))
          << each.name << " [" << index << "]";
      ++compared;
    }
  }
  return compared;
}

}  // namespace svtune::test
