#include "jinja/step_budget.h"

#include <string>
#include <utility>

#include "jinja/error.h"

namespace svtune::jinja {
namespace {

constexpr std::size_t kLooksPerStep = 16;
thread_local StepBudget* current = nullptr;

}  // namespace

StepBudget::StepBudget(std::size_t limit) : limit_(limit), outer_(std::exchange(current, this)) {}

StepBudget::~StepBudget() { current = outer_; }

void StepBudget::spend(std::size_t steps) {
  spent_ += steps;
  if (spent_ > limit_) {
    throw EvalError("rendering takes more than " + std::to_string(limit_) + " steps");
  }
}

void StepBudget::count_look(std::size_t looks) {
  if (current == nullptr) return;
  current->looks_ += looks;
  if (current->looks_ < kLooksPerStep) return;
  const std::size_t steps = std::exchange(current->looks_, current->looks_ % kLooksPerStep);
  current->spend(steps / kLooksPerStep);
}

}  // namespace svtune::jinja
