// What a rendering may cost. Operations on values are charged to the budget of the rendering that
// runs on their thread: values may share their parts so often that a small one takes for ever to
// walk.
#pragma once

#include <cstddef>

namespace svtune::jinja {

class StepBudget {
 public:
  // The thread's budget from here on, until the object dies; then the one before it again.
  explicit StepBudget(std::size_t limit);
  ~StepBudget();
  StepBudget(const StepBudget&) = delete;
  StepBudget& operator=(const StepBudget&) = delete;

  // Throws EvalError when the budget is used up.
  void spend(std::size_t steps);

  // Charges the thread's budget, if any, for looking at one value or 4 KiB of text; sixteen of them
  // are a step.
  static void count_look(std::size_t looks = 1);

 private:
  std::size_t limit_;
  std::size_t spent_ = 0;
  std::size_t looks_ = 0;  // less than a step
  StepBudget* outer_;
};

}  // namespace svtune::jinja
