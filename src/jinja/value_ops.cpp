// Truth, order, membership and iteration of template values.
#include "jinja/value_ops.h"

#include <algorithm>
#include <cmath>

#include "jinja/error.h"
#include "jinja/step_budget.h"
#include "jinja/unicode.h"

namespace svtune::jinja {
namespace {

int sign_of(auto a, auto b) { return a < b ? -1 : a > b ? 1 : 0; }

[[noreturn]] void refuse(const Value& value, const std::string& what) {
  require_defined(value);
  throw EvalError(std::string("a ") + value.type_name() + " " + what);
}

}  // namespace

void check_item_count(double items) {
  if (items > static_cast<double>(kMaxItems)) {
    throw EvalError("a list would exceed the limit of " + std::to_string(kMaxItems) + " items");
  }
}

bool truthy(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (value.is_number()) return as_real(value) != 0;
  if (const Text* text = value.as_text()) return !text->bytes.empty();
  if (const Dict* dict = value.as_dict()) return dict->size() != 0;
  if (const Sequence* sequence = value.as_sequence()) {
    return sequence->kind == SequenceKind::kGenerator || !sequence->items.empty();
  }
  return true;
}

int compare(const Value& a, const Value& b) {
  StepBudget::count_look();
  if (a.is_number() && b.is_number()) {
    if (a.is_real() || b.is_real()) return sign_of(as_real(a), as_real(b));
    return sign_of(as_integer(a), as_integer(b));
  }
  if (a.is_text() && b.is_text()) {
    return sign_of(a.as_text()->bytes.compare(b.as_text()->bytes), 0);
  }
  const Sequence* left = a.as_sequence();
  const Sequence* right = b.as_sequence();
  const bool ordered = left != nullptr && right != nullptr && left->kind == right->kind &&
                       (left->kind == SequenceKind::kList || left->kind == SequenceKind::kTuple);
  if (!ordered) {
    require_defined(a);
    require_defined(b);
    throw EvalError(std::string("cannot compare a ") + a.type_name() + " with a " + b.type_name() +
                    " by size");
  }
  for (std::size_t i = 0; i < left->items.size() && i < right->items.size(); ++i) {
    if (!equal(left->items[i], right->items[i])) return compare(left->items[i], right->items[i]);
  }
  return sign_of(left->items.size(), right->items.size());
}

bool contains(const Value& container, const Value& item) {
  if (const Text* text = container.as_text()) {
    if (!item.is_text()) refuse(item, "cannot be searched for in a string");
    return text->bytes.find(item.as_text()->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.as_dict()) return dict->find(item) != nullptr;
  if (const Sequence* sequence = container.as_sequence()) {
    if (sequence->kind == SequenceKind::kGenerator) {
      while (sequence->next < sequence->items.size()) {
        if (equal(sequence->items[sequence->next++], item)) return true;
      }
      return false;
    }
    return std::any_of(sequence->items.begin(), sequence->items.end(),
                       [&](const Value& each) { return equal(each, item); });
  }
  if (container.is_undefined()) return false;
  refuse(container, "has no members that `in` could look up");
}

std::shared_ptr<const Sequence> iterate(const Value& value) {
  if (const auto* held = value.get_if<std::shared_ptr<const Sequence>>()) {
    const Sequence& sequence = **held;
    if (sequence.kind != SequenceKind::kGenerator) return *held;
    auto rest = std::make_shared<Sequence>();
    rest->depth = sequence.depth;
    rest->items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.next),
                       sequence.items.end());
    sequence.next = sequence.items.size();
    return rest;
  }
  auto items = std::make_shared<Sequence>();
  if (const Text* text = value.as_text()) {
    for (std::size_t pos = 0; pos < text->bytes.size();) {
      const std::size_t end = pos + byte_offset(std::string_view(text->bytes).substr(pos), 1);
      items->items.push_back(Value::text(text->bytes.substr(pos, end - pos)));
      pos = end;
    }
    check_item_count(static_cast<double>(items->items.size()));
  } else if (const Dict* dict = value.as_dict()) {
    for (const auto& entry : dict->entries()) items->items.push_back(entry.first);
    items->depth = dict->depth();
  } else if (!value.is_undefined()) {
    refuse(value, "cannot be iterated over");
  }
  return items;
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_text() || value.as_sequence() != nullptr ||
         value.as_dict() != nullptr || value.as_loop() != nullptr;
}

std::optional<std::size_t> length(const Value& value) {
  if (const Text* text = value.as_text()) return count_characters(text->bytes);
  if (const Dict* dict = value.as_dict()) return dict->size();
  if (value.is_undefined()) return 0;
  if (const LoopState* loop = value.as_loop()) return loop->items->items.size();
  const Sequence* sequence = value.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator) return std::nullopt;
  return sequence->items.size();
}

void require_defined(const Value& value) {
  if (const auto* undefined = value.get_if<Undefined>()) {
    throw EvalError(undefined->why ? *undefined->why : "a value is undefined");
  }
}

std::int64_t require_integer(const Value& value, std::string_view what) {
  if (value.is_integer() || value.is_bool()) return as_integer(value);
  refuse(value, "was given where " + std::string(what) + " must be an integer");
}

double require_real(const Value& value, std::string_view what) {
  if (value.is_number()) return as_real(value);
  refuse(value, "was given where " + std::string(what) + " must be a number");
}

const std::string& require_text(const Value& value, std::string_view what) {
  if (const Text* text = value.as_text()) return text->bytes;
  refuse(value, "was given where " + std::string(what) + " must be a string");
}

}  // namespace svtune::jinja
