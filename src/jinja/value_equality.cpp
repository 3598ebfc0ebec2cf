// Python's == on template values.
#include <algorithm>

#include "jinja/step_budget.h"
#include "jinja/value.h"

namespace svtune::jinja {
namespace {

bool numbers_equal(const Value& a, const Value& b) {
  if (a.is_real() || b.is_real()) return as_real(a) == as_real(b);
  return as_integer(a) == as_integer(b);
}

bool texts_equal(const Text& a, const Text& b) {
  if (a.bytes.size() != b.bytes.size()) return false;
  StepBudget::count_look(a.bytes.size() / 4096);
  return a.bytes == b.bytes;
}

bool sequences_equal(const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.kind == SequenceKind::kGenerator) return false;
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
}

bool dicts_equal(const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const Dict::Entry& entry) {
    const Value* other = b.find(entry.first);
    return other != nullptr && equal(entry.second, *other);
  });
}

}  // namespace

bool equal(const Value& a, const Value& b) {
  StepBudget::count_look();
  if (a.is_number() && b.is_number()) return numbers_equal(a, b);
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  if (a.is_text() && b.is_text()) return texts_equal(*a.as_text(), *b.as_text());
  if (a.as_sequence() != nullptr && b.as_sequence() != nullptr) {
    return sequences_equal(*a.as_sequence(), *b.as_sequence());
  }
  if (a.as_dict() != nullptr && b.as_dict() != nullptr) {
    return dicts_equal(*a.as_dict(), *b.as_dict());
  }
  if (a.as_namespace() != nullptr) return a.as_namespace() == b.as_namespace();
  if (a.as_function() != nullptr) return a.as_function() == b.as_function();
  return a.as_loop() != nullptr && a.as_loop() == b.as_loop();
}

}  // namespace svtune::jinja
