// Filters on lists, dicts and other iterables.
#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/unicode.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

Value default_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"default_value", "boolean"});
  const bool use_default =
      call.value.is_undefined() || (bound.flag(1, false) && !truthy(call.value));
  if (!use_default) return call.value;
  return bound[0] == nullptr ? Value::text("") : *bound[0];
}

Value length_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  const auto size = length(call.value);
  if (!size) throw EvalError(std::string("a ") + call.value.type_name() + " has no length");
  return Value::integer(static_cast<std::int64_t>(*size));
}

Value first_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  const Sequence* generator = call.value.as_sequence();
  if (generator != nullptr && generator->kind == SequenceKind::kGenerator &&
      generator->next < generator->items.size()) {
    return generator->items[generator->next++];
  }
  const auto items = iterate(call.value);
  return items->items.empty() ? Value::undefined("the sequence of 'first' is empty")
                              : items->items.front();
}

void refuse_generator(const Value& value, const std::string& filter) {
  const Sequence* sequence = value.as_sequence();
  if (sequence != nullptr && sequence->kind == SequenceKind::kGenerator) {
    throw EvalError(filter + " does not take a generator; use the filter 'list' before it");
  }
}

Value last_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  refuse_generator(call.value, "last");
  const auto items = iterate(call.value);
  return items->items.empty() ? Value::undefined("the sequence of 'last' is empty")
                              : items->items.back();
}

Value list_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  return Value::list(iterate(call.value)->items);
}

Value join_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"d", "attribute"});
  const std::string separator = bound[0] == nullptr ? "" : to_text(*bound[0]);
  const Value* attribute = bound.given(1);
  std::string out;
  bool first = true;
  const auto items = iterate(call.value);
  for (const Value& item : items->items) {
    if (!first) out += separator;
    first = false;
    out += to_text(attribute == nullptr ? item : lookup_path(item, *attribute));
    check_text_size(static_cast<double>(out.size()));
  }
  return Value::text(std::move(out));
}

Value reverse_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  if (const Text* text = call.value.as_text()) {
    std::u32string characters = to_characters(text->bytes);
    std::reverse(characters.begin(), characters.end());
    return Value::text(from_characters(characters));
  }
  ValueList items = iterate(call.value)->items;
  std::reverse(items.begin(), items.end());
  return Value::sequence(SequenceKind::kGenerator, std::move(items));
}

Value items_filter(const FilterCall& call) {
  expect_no_arguments(call.name, call.arguments);
  ValueList pairs;
  if (const Dict* dict = call.value.as_dict()) {
    for (const auto& [key, value] : dict->entries()) pairs.push_back(Value::tuple({key, value}));
  } else if (!call.value.is_undefined()) {
    throw EvalError(std::string("items takes a dict, got a ") + call.value.type_name());
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(pairs));
}

using Keyed = std::pair<Value, Value>;  // sort key, item

void sort_keyed(Runtime& runtime, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    runtime.spend(1);
    return reverse ? compare(b.first, a.first) < 0 : compare(a.first, b.first) < 0;
  });
}

ValueList values_of(const std::vector<Keyed>& items) {
  ValueList out;
  out.reserve(items.size());
  for (const Keyed& item : items) out.push_back(item.second);
  return out;
}

// A tuple of the comma separated attributes, or the item itself.
Value sort_key(const Value& item, const Value* attribute, bool case_sensitive) {
  const auto fold = [&](const Value& value) { return case_sensitive ? value : ignore_case(value); };
  if (attribute == nullptr) return fold(item);
  if (!attribute->is_text()) return fold(lookup_path(item, *attribute));
  ValueList keys;
  for (const std::string_view part : split(attribute->as_text()->bytes, ',')) {
    keys.push_back(fold(lookup_path(item, Value::text(std::string(part)))));
  }
  return Value::list(std::move(keys));
}

Value sort_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Keyed> items;
  const auto source = iterate(call.value);
  for (const Value& item : source->items) {
    items.emplace_back(sort_key(item, bound.given(2), bound.flag(1, false)), item);
  }
  sort_keyed(call.runtime, items, bound.flag(0, false));
  return Value::list(values_of(items));
}

Value dictsort_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"case_sensitive", "by", "reverse"});
  const Dict* dict = call.value.as_dict();
  if (dict == nullptr)
    throw EvalError(std::string("dictsort takes a dict, got a ") + call.value.type_name());
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value") throw EvalError("dictsort: 'by' must be key or value");
  std::vector<Keyed> items;
  for (const auto& [key, value] : dict->entries()) {
    const Value& sorted_by = by == "key" ? key : value;
    items.emplace_back(bound.flag(0, false) ? sorted_by : ignore_case(sorted_by),
                       Value::tuple({key, value}));
  }
  sort_keyed(call.runtime, items, bound.flag(2, false));
  return Value::list(values_of(items));
}

Value unique_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"case_sensitive", "attribute"});
  ValueList seen, out;
  const auto items = iterate(call.value);
  for (const Value& item : items->items) {
    const Value* attribute = bound.given(1);
    Value key = attribute == nullptr ? item : lookup_path(item, *attribute);
    if (!bound.flag(0, false)) key = ignore_case(key);
    call.runtime.spend(1 + seen.size() / 4);
    if (std::any_of(seen.begin(), seen.end(),
                    [&](const Value& each) { return equal(each, key); })) {
      continue;
    }
    seen.push_back(std::move(key));
    out.push_back(item);
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(out));
}

Value extreme(const FilterCall& call, int wanted) {
  const Bound bound(call.name, call.arguments, {"case_sensitive", "attribute"});
  const auto items = iterate(call.value);
  if (items->items.empty()) return Value::undefined("the sequence of '" + call.name + "' is empty");
  const auto key_of = [&](const Value& item) {
    const Value* attribute = bound.given(1);
    const Value key = attribute == nullptr ? item : lookup_path(item, *attribute);
    return bound.flag(0, false) ? key : ignore_case(key);
  };
  const Value* best = &items->items.front();
  Value best_key = key_of(*best);
  for (std::size_t i = 1; i < items->items.size(); ++i) {
    Value key = key_of(items->items[i]);
    if (compare(key, best_key) * wanted > 0) {
      best = &items->items[i];
      best_key = std::move(key);
    }
  }
  return *best;
}

Value max_filter(const FilterCall& call) { return extreme(call, 1); }
Value min_filter(const FilterCall& call) { return extreme(call, -1); }

Value sum_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"attribute", "start"});
  Value total = bound[1] == nullptr ? Value::integer(0) : *bound[1];
  if (total.is_text()) throw EvalError("sum does not add strings; use the filter 'join'");
  const auto items = iterate(call.value);
  for (const Value& item : items->items) {
    const Value* attribute = bound.given(0);
    total = add(total, attribute == nullptr ? item : lookup_path(item, *attribute));
    call.runtime.spend_on(total);
  }
  return total;
}

Value batch_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"linecount", "fill_with"}, 1);
  const std::int64_t size = bound.integer(0, 1);
  ValueList batches, current;
  const auto flush = [&] { batches.push_back(Value::list(std::exchange(current, {}))); };
  const auto items = iterate(call.value);
  for (const Value& item : items->items) {
    if (static_cast<std::int64_t>(current.size()) == size) flush();
    current.push_back(item);
  }
  if (!current.empty()) {
    if (const Value* fill = bound.given(1)) {
      check_item_count(static_cast<double>(size));
      while (static_cast<std::int64_t>(current.size()) < size) current.push_back(*fill);
    }
    flush();
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(batches));
}

Value slice_filter(const FilterCall& call) {
  const Bound bound(call.name, call.arguments, {"slices", "fill_with"}, 1);
  const std::int64_t slices = bound.integer(0, 1);
  if (slices == 0) throw EvalError("division by zero");
  check_item_count(static_cast<double>(slices));
  const auto items = iterate(call.value);
  const auto size = static_cast<std::int64_t>(items->items.size());
  ValueList out;
  std::int64_t start = 0;
  for (std::int64_t i = 0; i < slices; ++i) {
    const std::int64_t count = size / slices + (i < size % slices ? 1 : 0);
    const auto begin = items->items.begin() + start;
    ValueList part(begin, begin + count);
    if (bound.given(1) != nullptr && i >= size % slices) part.push_back(*bound.given(1));
    out.push_back(Value::list(std::move(part)));
    start += count;
  }
  return Value::sequence(SequenceKind::kGenerator, std::move(out));
}

}  // namespace

const std::vector<FilterEntry>& sequence_filters() {
  static const std::vector<FilterEntry> entries{
      {"batch", batch_filter},     {"count", length_filter},      {"d", default_filter},
      {"default", default_filter}, {"dictsort", dictsort_filter}, {"first", first_filter},
      {"items", items_filter},     {"join", join_filter},         {"last", last_filter},
      {"length", length_filter},   {"list", list_filter},         {"max", max_filter},
      {"min", min_filter},         {"reverse", reverse_filter},   {"slice", slice_filter},
      {"sort", sort_filter},       {"sum", sum_filter},           {"unique", unique_filter}};
  return entries;
}

}  // namespace svtune::jinja::detail
