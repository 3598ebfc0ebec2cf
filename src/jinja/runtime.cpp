#include "jinja/runtime.h"

#include <algorithm>

#include "jinja/error.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {

Runtime::~Runtime() {
  // One after the other, so that long chains of namespaces do not recurse.
  for (const auto& space : namespaces_) {
    const auto attributes = std::move(space->attributes);
    space->attributes.clear();
  }
}

void Runtime::spend_on(const Value& value) {
  if (const Text* text = value.as_text()) {
    spend(text->bytes.size() / 256);
  } else if (const Sequence* sequence = value.as_sequence()) {
    spend(sequence->items.size() / 8);
  } else if (const Dict* dict = value.as_dict()) {
    spend(dict->size() / 4);
  }
}

Value Runtime::make_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  auto space = std::make_shared<Namespace>();
  for (auto& [name, value] : attributes) set_attribute(*space, name, std::move(value));
  namespaces_.push_back(space);
  return Value(Value::Storage(std::move(space)));
}

void Runtime::set_attribute(Namespace& space, const std::string& name, Value value) {
  if (name.starts_with('_')) {
    throw EvalError("a namespace cannot have the attribute '" + name + "': it starts with '_'");
  }
  for (auto& [key, held] : space.attributes) {
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  space.attributes.emplace_back(name, std::move(value));
}

std::tm Runtime::now() const {
  if (!now_) throw EvalError("strftime_now: the template asks for the date, but none was given");
  return *now_;
}

Bound::Bound(const std::string& function, const Arguments& arguments,
             std::initializer_list<const char*> names, std::size_t required)
    : function_(function), values_(names.size(), nullptr), names_(names) {
  if (arguments.positional.size() > names_.size()) {
    throw EvalError(function + " takes at most " + std::to_string(names_.size()) +
                    " arguments, got " + std::to_string(arguments.positional.size()));
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    values_[i] = &arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::find(names_.begin(), names_.end(), name);
    if (place == names_.end()) throw EvalError(function + " has no argument '" + name + "'");
    const Value*& slot = values_[static_cast<std::size_t>(place - names_.begin())];
    if (slot != nullptr) throw EvalError(function + " got the argument '" + name + "' twice");
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (values_[i] == nullptr) {
      throw EvalError(function + " lacks the argument '" + names_[i] + "'");
    }
  }
}

void expect_no_arguments(const std::string& function, const Arguments& arguments) {
  const Bound none(function, arguments, {});
}

bool Bound::flag(std::size_t index, bool fallback) const {
  return values_[index] == nullptr ? fallback : truthy(*values_[index]);
}

std::int64_t Bound::integer(std::size_t index, std::int64_t fallback) const {
  if (values_[index] == nullptr) return fallback;
  return require_integer(*values_[index],
                         "argument '" + std::string(names_[index]) + "' of " + function_);
}

std::string Bound::text(std::size_t index, const std::string& fallback) const {
  if (values_[index] == nullptr) return fallback;
  return require_text(*values_[index],
                      "argument '" + std::string(names_[index]) + "' of " + function_);
}

const Value* Bound::given(std::size_t index) const {
  const Value* value = values_[index];
  return value == nullptr || value->is_none() ? nullptr : value;
}

}  // namespace svtune::jinja
