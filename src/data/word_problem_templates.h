// The situations behind the word problems, as data: numbers with their ranges, the steps that
// work the answer out, and phrasings of the question.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

namespace svtune::detail {

struct NumberRange {
  int first;
  int last;  // inclusive
};

// One line of working: "<caption>: lhs op rhs = result". Operands are 'a'-'d' (the drawn
// numbers), 'x'-'z' (results of step 1 to 3) or a digit. op is one of + - * /.
struct WorkStep {
  std::string_view caption;
  char lhs;
  char op;
  char rhs;
};

// Texts may hold {a}-{d} (numbers), {name} {other} (persons), {he} {his} (of {name}), {thing}
// (a plural noun). The first letter of a text is made upper case.
struct Situation {
  std::vector<NumberRange> numbers;
  std::vector<WorkStep> steps;
  std::vector<std::string_view> questions;
};

struct Person {
  std::string_view name;
  std::string_view he;
  std::string_view his;
};

std::span<const Situation> situations();
std::span<const Person> persons();
std::span<const std::string_view> things();

}  // namespace svtune::detail
