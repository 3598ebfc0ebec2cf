// What AdaLoRA decides over all layers: which triplets are left, from averages of how important
// each number is, and the penalty that keeps them orthogonal.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "nn/method_state.h"

namespace svtune {

// Triplets that may be left after step `step` of `total`: all at first, `target` at the end, in
// between falling with the cube of what is left of the way. AdaLoRA 2303.10512 equation 12.
struct AdaloraBudget {
  std::int64_t initial = 0, target = 0;
  std::int64_t full_steps = 0, final_steps = 0;
  std::int64_t at(std::int64_t step, std::int64_t total) const;
};

struct AdaloraRules {
  bool prunes = true;
  std::int64_t target_rank = 0;  // left per layer at the end, on average
  std::int64_t full_steps = 0, final_steps = 0, interval = 1;
  double importance_decay = 0, uncertainty_decay = 0;
  double orthogonal_weight = 0;
  bool squares = false;          // the penalty sums squared norms, instead of their mean
  bool final = false;            // from a file that holds the kept triplets alone
  std::int64_t total_steps = 0;  // of the run that made that file
};

// One layer as the state needs it.
struct AdaloraSize {
  std::string name;
  std::int64_t rank = 0, in = 0, out = 0;
  at::TensorOptions options = {};  // of its leaves
};

struct AdaloraLeaves {
  at::Tensor A, E, B;  // [r, in], [r, 1], [out, r]
};

class AdaloraState final : public MethodState {
 public:
  // `layers` in the model's order.
  AdaloraState(const AdaloraRules& rules, const std::vector<AdaloraSize>& layers);

  // The trained leaves of a layer. Safe for several layers at once.
  void join(const std::string& layer, const AdaloraLeaves& leaves);

  std::vector<NamedTensor> changing() const override;
  at::Tensor penalty() const override;
  // Throws UsageError when the schedule leaves no step in which the budget shrinks.
  void begin(std::int64_t total) override;
  void after_step(std::int64_t step, std::int64_t total) override;

  // Whether the kept triplets stay as they are from now on.
  bool is_final() const;
  // [r] bool: which triplets of a layer are left.
  at::Tensor kept(const std::string& layer) const;
  std::int64_t total_steps() const;  // of the run; 0: unknown

 private:
  struct Layer {
    std::string name;
    AdaloraLeaves leaves;
    // Of A, E and B: running means of |number · gradient| and of its distance from that mean.
    std::array<at::Tensor, 3> importance, uncertainty;
    at::Tensor kept;  // [r] uint8
  };

  const Layer& layer(const std::string& name) const;
  void measure();
  void keep_best(std::int64_t budget);
  void mask();
  at::Tensor scores(const Layer& layer) const;  // [r] fp64

  AdaloraRules rules_;
  AdaloraBudget budget_;
  std::vector<Layer> layers_;  // in the model's order
  at::Tensor schedule_;        // int64 [2]: total steps, whether the kept triplets are final
};

}  // namespace svtune
