// When an option has a meaning, as data beside its declaration:
//
//   visit(self.niter, {.name = "niter", ..., .when = only_with("svd", "fast")});
//   visit.group("Quantised base", self.tuning, only_with("base_dtype") && not_with("adapter"));
//
// An option that is given where its condition does not hold is refused, and help and docs show
// the condition. A condition is a conjunction of alternatives: (a || b) && c.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace svtune {

// "learning_rate" -> "--learning-rate".
std::string field_flag(std::string_view name);

// One statement about another option of the same command, named by its JSON key.
struct FieldClause {
  std::string_view option = "";
  std::string_view values = "";  // "nf4|fp4"; "": anything but unset, empty, false and 0
  bool absent = false;           // the option is unset, empty, false or 0
};

class FieldCondition {
 public:
  constexpr FieldCondition() = default;  // always holds
  constexpr explicit FieldCondition(FieldClause clause) : size_(1), sets_(1) {
    clauses_[0] = {clause, 0};
  }

  constexpr bool empty() const { return size_ == 0; }
  // One clause of each set must hold.
  std::vector<std::vector<FieldClause>> sets() const;

  friend constexpr FieldCondition operator||(FieldCondition a, const FieldCondition& b) {
    if (a.sets_ != 1 || b.sets_ != 1) throw std::logic_error("alternatives of a conjunction");
    for (std::size_t i = 0; i < b.size_; ++i) a.push(b.clauses_[i].clause, 0);
    return a;
  }
  friend constexpr FieldCondition operator&&(FieldCondition a, const FieldCondition& b) {
    for (std::size_t i = 0; i < b.size_; ++i) {
      a.push(b.clauses_[i].clause, a.sets_ + b.clauses_[i].set);
    }
    a.sets_ += b.sets_;
    return a;
  }

 private:
  struct Member {
    FieldClause clause;
    std::size_t set = 0;
  };

  constexpr void push(const FieldClause& clause, std::size_t set) {
    if (size_ == clauses_.size()) throw std::logic_error("a condition of too many clauses");
    clauses_[size_++] = {clause, set};
  }

  std::array<Member, 8> clauses_{};
  std::size_t size_ = 0, sets_ = 0;
};

// The other option has one of these values, or any value at all.
constexpr FieldCondition only_with(std::string_view option, std::string_view values = "") {
  return FieldCondition({option, values, false});
}
// The other option is not given.
constexpr FieldCondition not_with(std::string_view option) {
  return FieldCondition({option, "", true});
}

// The current value of an option; nullptr when the command has none of that name at present.
using FieldLookup = std::function<const Json*(std::string_view option)>;

// Unset, "", [], {}, false or 0: what counts as not given.
bool is_blank(const Json* value);

// Whether each set has a clause that holds. When not, `why` receives "applies only with --svd
// fast (--svd is exact)" and `hint` a way out.
bool condition_holds(const FieldCondition& condition, const FieldLookup& lookup, std::string& why,
                     std::string& hint);

// "only with --svd fast; not with --adapter"; empty for a condition that always holds.
std::string condition_text(const FieldCondition& condition);

}  // namespace svtune
