// What operations on values share during one rendering: the budget of steps, the clock, and
// the namespaces created (which may refer to each other in circles).
#pragma once

#include <cstddef>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jinja/step_budget.h"
#include "jinja/value.h"

namespace svtune::jinja {

struct Limits {
  std::size_t steps = 3'000'000;  // nodes visited, plus large copies
  std::size_t output_bytes = std::size_t{64} << 20;
  int recursion = 400;  // nested nodes and macro calls
};

class Runtime {
 public:
  Runtime(const Limits& limits, std::optional<std::tm> now)
      : limits_(limits), now_(now), budget_(limits.steps) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const Limits& limits() const { return limits_; }
  // Throws EvalError when the budget is used up.
  void spend(std::size_t steps) { budget_.spend(steps); }
  // Charges for the size of a value that was built.
  void spend_on(const Value& value);
  // Throws EvalError for names that start with '_'.
  Value make_namespace(std::vector<std::pair<std::string, Value>> attributes);
  static void set_attribute(Namespace& space, const std::string& name, Value value);
  // Throws EvalError when no date was given: the clock is never read here.
  std::tm now() const;

 private:
  Limits limits_;
  std::optional<std::tm> now_;
  StepBudget budget_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

// Arguments of a call matched to parameter names as Python does. Absent ones are null.
class Bound {
 public:
  // Throws EvalError for too many, unknown or repeated arguments, and when one of the first
  // `required` is missing.
  Bound(const std::string& function, const Arguments& arguments,
        std::initializer_list<const char*> names, std::size_t required = 0);
  const Value* operator[](std::size_t index) const { return values_[index]; }
  bool flag(std::size_t index, bool fallback) const;
  std::int64_t integer(std::size_t index, std::int64_t fallback) const;
  std::string text(std::size_t index, const std::string& fallback) const;
  // Null also when the argument is none.
  const Value* given(std::size_t index) const;

 private:
  const std::string& function_;
  std::vector<const Value*> values_;
  std::vector<const char*> names_;
};

// Throws EvalError when there are any.
void expect_no_arguments(const std::string& function, const Arguments& arguments);

}  // namespace svtune::jinja
