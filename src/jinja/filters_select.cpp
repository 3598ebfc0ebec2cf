// Filters that apply another filter or a test to every item.
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

Arguments without_first(const Arguments& arguments, std::size_t count) {
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(count),
                         arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

// The items, or none for undefined, none and other false values.
ValueList items_of(const Value& value) {
  return truthy(value) ? iterate(value)->items : ValueList{};
}

Value map_attribute(const FilterCall& call) {
  const Value* attribute = nullptr;
  const Value* fallback = nullptr;
  for (const auto& [name, value] : call.arguments.named) {
    if (name == "attribute") {
      attribute = &value;
    } else if (name == "default") {
      fallback = &value;
    } else {
      throw EvalError("map has no argument '" + name + "'");
    }
  }
  if (attribute == nullptr) throw EvalError("map needs the name of a filter or an attribute");
  if (fallback != nullptr && fallback->is_none()) fallback = nullptr;
  ValueList out;
  for (const Value& item : items_of(call.value)) {
    call.runtime.spend(1);
    out.push_back(lookup_path(item, *attribute, fallback));
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(out));
}

Value map_filter(const FilterCall& call) {
  if (call.arguments.positional.empty()) return map_attribute(call);
  const std::string& name = require_text(call.arguments.positional[0], "the filter of map");
  if (!is_filter(name)) throw EvalError("unsupported filter '" + name + "'");
  const Arguments rest = without_first(call.arguments, 1);
  ValueList out;
  for (const Value& item : items_of(call.value)) {
    call.runtime.spend(1);
    out.push_back(apply_filter(call.runtime, name, item, rest));
    call.runtime.spend_on(out.back());
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(out));
}

// Keeps the items whose test (of the item, or of its attribute) gives `wanted`.
Value select_items(const FilterCall& call, bool by_attribute, bool wanted) {
  const ValueList& given = call.arguments.positional;
  const std::size_t test_place = by_attribute ? 1 : 0;
  if (by_attribute && given.empty()) throw EvalError(call.name + " needs the name of an attribute");
  std::string test;
  Arguments rest;
  if (given.size() > test_place) {
    test = require_text(given[test_place], "the test of " + call.name);
    if (!is_test(test)) throw EvalError("unsupported test '" + test + "'");
    rest = without_first(call.arguments, test_place + 1);
  }
  ValueList out;
  for (const Value& item : items_of(call.value)) {
    call.runtime.spend(1);
    const Value subject = by_attribute ? lookup_path(item, given[0]) : item;
    const bool passed =
        test.empty() ? truthy(subject) : apply_test(call.runtime, test, subject, rest);
    if (passed == wanted) out.push_back(item);
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(out));
}

Value select_filter(const FilterCall& call) { return select_items(call, false, true); }
Value reject_filter(const FilterCall& call) { return select_items(call, false, false); }
Value selectattr_filter(const FilterCall& call) { return select_items(call, true, true); }
Value rejectattr_filter(const FilterCall& call) { return select_items(call, true, false); }

}  // namespace

const std::vector<FilterEntry>& select_filters() {
  static const std::vector<FilterEntry> entries{{"map", map_filter},
                                                {"reject", reject_filter},
                                                {"rejectattr", rejectattr_filter},
                                                {"select", select_filter},
                                                {"selectattr", selectattr_filter}};
  return entries;
}

}  // namespace svtune::jinja::detail
