#include "jinja/object_methods.h"

#include <algorithm>

#include "jinja/error.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace detail {
namespace {

Value refuse_change(const std::string& name, const Value& self, const Arguments&) {
  throw EvalError("the method '" + name + "' is not allowed: a " + self.type_name() +
                  " cannot be changed by a template");
}

Value unsupported(const std::string& name, const Value& self, const Arguments&) {
  throw EvalError("unsupported method '" + name + "' of a " + self.type_name());
}

Value get_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"key", "default"}, 1);
  const Value* found = self.as_dict()->find(*bound[0]);
  if (found != nullptr) return *found;
  return bound[1] == nullptr ? Value::none() : *bound[1];
}

Value items_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  ValueList pairs;
  for (const auto& [key, value] : self.as_dict()->entries()) {
    pairs.push_back(Value::tuple({key, value}));
  }
  return Value::sequence(SequenceKind::kView, std::move(pairs));
}

template <bool Keys>
Value view_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  ValueList items;
  for (const auto& [key, value] : self.as_dict()->entries()) items.push_back(Keys ? key : value);
  return Value::sequence(SequenceKind::kView, std::move(items));
}

Value copy_method(const std::string& name, const Value& self, const Arguments& arguments) {
  expect_no_arguments(name, arguments);
  return self;
}

Value count_of_item(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"value"}, 1);
  const ValueList& items = self.as_sequence()->items;
  return Value::integer(std::count_if(items.begin(), items.end(),
                                      [&](const Value& item) { return equal(item, *bound[0]); }));
}

Value index_method(const std::string& name, const Value& self, const Arguments& arguments) {
  const Bound bound(name, arguments, {"value"}, 1);
  const ValueList& items = self.as_sequence()->items;
  const auto place = std::find_if(items.begin(), items.end(),
                                  [&](const Value& item) { return equal(item, *bound[0]); });
  if (place == items.end()) throw EvalError("index: the value is not in the list");
  return Value::integer(place - items.begin());
}

Value cycle_method(const std::string&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) throw EvalError("loop.cycle needs values");
  return arguments.positional[self.as_loop()->index % arguments.positional.size()];
}

const MethodEntry kDictMethods[] = {
    {"clear", refuse_change},  {"copy", copy_method},         {"fromkeys", unsupported},
    {"get", get_method},       {"items", items_method},       {"keys", view_method<true>},
    {"pop", refuse_change},    {"popitem", refuse_change},    {"setdefault", refuse_change},
    {"update", refuse_change}, {"values", view_method<false>}};

const MethodEntry kListMethods[] = {
    {"append", refuse_change},  {"clear", refuse_change},  {"copy", copy_method},
    {"count", count_of_item},   {"extend", refuse_change}, {"index", index_method},
    {"insert", refuse_change},  {"pop", refuse_change},    {"remove", refuse_change},
    {"reverse", refuse_change}, {"sort", refuse_change}};

const MethodEntry kTupleMethods[] = {{"count", count_of_item}, {"index", index_method}};
const MethodEntry kLoopMethods[] = {{"cycle", cycle_method}, {"changed", unsupported}};

template <std::size_t N>
Method find_in(const MethodEntry (&table)[N], std::string_view name) {
  const auto place = std::find_if(std::begin(table), std::end(table),
                                  [&](const MethodEntry& entry) { return entry.name == name; });
  return place == std::end(table) ? nullptr : place->call;
}

}  // namespace

Method find_container_method(const Value& self, std::string_view name) {
  if (self.as_dict() != nullptr) return find_in(kDictMethods, name);
  if (self.as_loop() != nullptr) return find_in(kLoopMethods, name);
  const Sequence* sequence = self.as_sequence();
  if (sequence == nullptr) return nullptr;
  if (sequence->kind == SequenceKind::kList) return find_in(kListMethods, name);
  const bool tuple_like =
      sequence->kind == SequenceKind::kTuple || sequence->kind == SequenceKind::kRange;
  return tuple_like ? find_in(kTupleMethods, name) : nullptr;
}

}  // namespace detail

std::optional<Value> find_method(const Value& self, const std::string& name) {
  const detail::Method method =
      self.is_text() ? detail::find_text_method(name) : detail::find_container_method(self, name);
  if (method == nullptr) return std::nullopt;
  Function function;
  function.name = name;
  function.depth = self.depth() + 1;
  function.call = [method, name, self](Runtime& runtime, Arguments& arguments) {
    runtime.spend_on(self);
    return method(name, self, arguments);
  };
  return Value::function(std::move(function));
}

}  // namespace svtune::jinja
