#include "jinja/value.h"

#include <algorithm>
#include <limits>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/step_budget.h"

namespace svtune::jinja {
namespace {

int checked_depth(int depth) {
  if (depth > kMaxValueDepth) {
    throw EvalError("values nest deeper than " + std::to_string(kMaxValueDepth) + " levels");
  }
  return depth;
}

bool hashable(const Value& key) {
  StepBudget::count_look();
  if (key.is_undefined() || key.is_none() || key.is_number() || key.is_text()) return true;
  const Sequence* sequence = key.as_sequence();
  return sequence != nullptr && sequence->kind == SequenceKind::kTuple &&
         std::all_of(sequence->items.begin(), sequence->items.end(), hashable);
}

Value number_from_json(const Json& json) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return Value::real(static_cast<double>(value));
    }
    return Value::integer(static_cast<std::int64_t>(value));
  }
  if (json.is_number_integer()) return Value::integer(json.get<std::int64_t>());
  return Value::real(json.get<double>());
}

}  // namespace

Value Value::undefined(std::string why) {
  return Value(Storage(Undefined{std::make_shared<const std::string>(std::move(why))}));
}

Value Value::text(std::string bytes, bool safe) {
  return Value(Storage(std::make_shared<const Text>(Text{std::move(bytes), safe})));
}

Value Value::sequence(SequenceKind kind, ValueList items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  sequence->depth = checked_depth(depth + 1);
  sequence->items = std::move(items);
  return Value(Storage(std::shared_ptr<const Sequence>(std::move(sequence))));
}

Value Value::dict(Dict entries) {
  checked_depth(entries.depth());
  return Value(Storage(std::make_shared<const Dict>(std::move(entries))));
}

Value Value::function(Function function) {
  checked_depth(function.depth);
  return Value(Storage(std::make_shared<const Function>(std::move(function))));
}

Value Value::from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return boolean(json.get<bool>());
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return number_from_json(json);
    case Json::value_t::string: {
      const auto& bytes = json.get_ref<const std::string&>();
      return text(is_valid_utf8(bytes) ? bytes : replace_invalid_utf8(bytes));
    }
    case Json::value_t::array: {
      ValueList items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item));
      return list(std::move(items));
    }
    case Json::value_t::object: {
      Dict entries;
      for (const auto& [key, item] : json.items()) entries.set(text(key), from_json(item));
      return dict(std::move(entries));
    }
    default:
      return none();
  }
}

const char* Value::type_name() const {
  if (const Sequence* sequence = as_sequence()) {
    switch (sequence->kind) {
      case SequenceKind::kList:
        return "list";
      case SequenceKind::kTuple:
        return "tuple";
      case SequenceKind::kRange:
        return "range";
      case SequenceKind::kView:
        return "dict view";
      case SequenceKind::kGenerator:
        return "generator";
    }
  }
  static constexpr const char* kNames[] = {"Undefined", "NoneType", "bool",       "int",
                                           "float",     "str",      "sequence",   "dict",
                                           "Namespace", "function", "LoopContext"};
  return kNames[storage_.index()];
}

int Value::depth() const {
  if (const Sequence* sequence = as_sequence()) return sequence->depth;
  if (const Dict* entries = as_dict()) return entries->depth();
  if (const Function* function = as_function()) return function->depth;
  if (const LoopState* loop = as_loop()) return loop->items->depth + 1;
  return 0;
}

double as_real(const Value& value) {
  if (const auto* real = value.get_if<double>()) return *real;
  if (const auto* integer = value.get_if<std::int64_t>()) return static_cast<double>(*integer);
  return *value.get_if<bool>() ? 1.0 : 0.0;
}

std::int64_t as_integer(const Value& value) {
  if (const auto* integer = value.get_if<std::int64_t>()) return *integer;
  return *value.get_if<bool>() ? 1 : 0;
}

void Dict::set(Value key, Value value) {
  if (!hashable(key)) {
    throw EvalError(std::string("a ") + key.type_name() + " cannot be the key of a dict");
  }
  depth_ = std::max(depth_, 1 + std::max(key.depth(), value.depth()));
  if (const Text* text = key.as_text()) {
    const auto [place, added] = index_.try_emplace(text->bytes, entries_.size());
    if (!added) {
      entries_[place->second].second = std::move(value);
      return;
    }
  } else {
    for (Entry& entry : entries_) {
      if (equal(entry.first, key)) {
        entry.second = std::move(value);
        return;
      }
    }
  }
  entries_.emplace_back(std::move(key), std::move(value));
}

const Value* Dict::find(std::string_view key) const {
  const auto place = index_.find(std::string(key));
  return place == index_.end() ? nullptr : &entries_[place->second].second;
}

const Value* Dict::find(const Value& key) const {
  if (const Text* text = key.as_text()) return find(text->bytes);
  if (index_.size() == entries_.size()) return nullptr;
  for (const Entry& entry : entries_) {
    if (equal(entry.first, key)) return &entry.second;
  }
  return nullptr;
}

}  // namespace svtune::jinja
