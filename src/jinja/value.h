// Values of the template language: Python's None, bool, int, float, str, list, tuple and dict,
// Jinja's undefined and namespace, and callables. All but namespaces are immutable, as in
// Jinja's immutable sandbox, so copies share their storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace svtune::jinja {

class Value;
class Dict;
struct Sequence;
struct Namespace;
struct Function;
struct LoopState;

using ValueList = std::vector<Value>;

struct None {};
// `why` completes the message of an error, e.g. "'tools' is undefined".
struct Undefined {
  std::shared_ptr<const std::string> why;
};
// Valid UTF-8. `safe` marks the result of the filters `safe` and `escape`.
struct Text {
  std::string bytes;
  bool safe = false;
};

enum class SequenceKind { kList, kTuple, kRange, kView, kGenerator };

class Value {
 public:
  using Storage = std::variant<Undefined, None, bool, std::int64_t, double,
                               std::shared_ptr<const Text>, std::shared_ptr<const Sequence>,
                               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>,
                               std::shared_ptr<const Function>, std::shared_ptr<LoopState>>;

  Value() = default;  // undefined
  explicit Value(Storage storage) : storage_(std::move(storage)) {}

  static Value undefined(std::string why);
  static Value none() { return Value(Storage(None{})); }
  static Value boolean(bool value) { return Value(Storage(value)); }
  static Value integer(std::int64_t value) { return Value(Storage(value)); }
  static Value real(double value) { return Value(Storage(value)); }
  static Value text(std::string bytes, bool safe = false);
  // Throws EvalError when the values nest deeper than kMaxValueDepth.
  static Value sequence(SequenceKind kind, ValueList items);
  static Value list(ValueList items) { return sequence(SequenceKind::kList, std::move(items)); }
  static Value tuple(ValueList items) { return sequence(SequenceKind::kTuple, std::move(items)); }
  static Value dict(Dict entries);
  static Value function(Function function);
  // Numbers beyond 64 bits become floats, bytes that are not UTF-8 become U+FFFD.
  static Value from_json(const Json& json);

  template <typename T>
  const T* get_if() const {
    return std::get_if<T>(&storage_);
  }
  const Storage& storage() const { return storage_; }

  bool is_undefined() const { return get_if<Undefined>() != nullptr; }
  bool is_none() const { return get_if<None>() != nullptr; }
  bool is_bool() const { return get_if<bool>() != nullptr; }
  bool is_integer() const { return get_if<std::int64_t>() != nullptr; }
  bool is_real() const { return get_if<double>() != nullptr; }
  bool is_number() const { return is_integer() || is_real() || is_bool(); }
  bool is_text() const { return as_text() != nullptr; }

  // Null when the value is of another kind.
  const Text* as_text() const { return pointer<const Text>(); }
  const Sequence* as_sequence() const { return pointer<const Sequence>(); }
  const Dict* as_dict() const { return pointer<const Dict>(); }
  Namespace* as_namespace() const { return pointer<Namespace>(); }
  const Function* as_function() const { return pointer<const Function>(); }
  LoopState* as_loop() const { return pointer<LoopState>(); }

  // Python's name of the type, for messages.
  const char* type_name() const;
  // Levels of nesting; 0 for scalars.
  int depth() const;

 private:
  template <typename T>
  T* pointer() const {
    const auto* held = std::get_if<std::shared_ptr<T>>(&storage_);
    return held == nullptr ? nullptr : held->get();
  }

  Storage storage_;
};

inline constexpr int kMaxValueDepth = 100;

struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  ValueList items;
  int depth = 1;
  // Generators give each item once; this is the next one.
  mutable std::size_t next = 0;
};

// Ordered map with values as keys (strings, numbers, booleans, none, tuples).
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  // Replaces the value of an equal key, which keeps its place. Throws EvalError for keys that
  // Python could not hash.
  void set(Value key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> index_;  // of the text keys
  int depth_ = 1;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct Arguments {
  ValueList positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Runtime;

struct Function {
  std::string name;
  std::function<Value(Runtime&, Arguments&)> call;
  int depth = 1;
};

// The variable `loop`.
struct LoopState {
  std::shared_ptr<const Sequence> items;
  std::size_t index = 0;
};

// Of a number or a bool, which counts as 0 or 1. Requires: is_number(); for as_integer() not
// is_real().
double as_real(const Value& value);
std::int64_t as_integer(const Value& value);

// a == b. Namespaces, functions and loops equal themselves only.
bool equal(const Value& a, const Value& b);

}  // namespace svtune::jinja
