// The functions that every template can call.
#include <array>
#include <clocale>
#include <ctime>

#include "jinja/error.h"
#include "jinja/interpreter.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // as Jinja's sandbox

Value range_function(Runtime& runtime, Arguments& arguments) {
  const ValueList& given = arguments.positional;
  if (!arguments.named.empty() || given.empty() || given.size() > 3) {
    throw EvalError("range takes one to three integers");
  }
  std::array<std::int64_t, 3> bounds{0, 0, 1};
  for (std::size_t i = 0; i < given.size(); ++i) {
    bounds[given.size() == 1 ? 1 : i] = require_integer(given[i], "an argument of range");
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) throw EvalError("range: the step cannot be zero");
  ValueList items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) >= kMaxRange) {
      throw EvalError("range: more than " + std::to_string(kMaxRange) + " items");
    }
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  runtime.spend(items.size() / 2);
  return Value::sequence(SequenceKind::kRange, std::move(items));
}

// The entries that dict(...) and namespace(...) get from their arguments.
Dict collect(const char* function, const Arguments& arguments) {
  if (arguments.positional.size() > 1) {
    throw EvalError(std::string(function) + " takes at most one positional argument");
  }
  Dict out;
  for (const Value& source : arguments.positional) {
    if (const Dict* dict = source.as_dict()) {
      for (const auto& [key, value] : dict->entries()) out.set(key, value);
      continue;
    }
    require_defined(source);
    const auto pairs = iterate(source);
    for (const Value& pair : pairs->items) {
      const auto parts = iterate(pair);
      if (parts->items.size() != 2) {
        throw EvalError(std::string(function) + " needs pairs of keys and values");
      }
      out.set(parts->items[0], parts->items[1]);
    }
  }
  for (const auto& [key, value] : arguments.named) out.set(Value::text(key), value);
  return out;
}

Value dict_function(Runtime&, Arguments& arguments) {
  return Value::dict(collect("dict", arguments));
}

Value namespace_function(Runtime& runtime, Arguments& arguments) {
  Variables attributes;
  const Dict collected = collect("namespace", arguments);
  for (const auto& [key, value] : collected.entries()) {
    attributes.emplace_back(require_text(key, "the name of an attribute"), value);
  }
  runtime.spend(attributes.size());
  return runtime.make_namespace(std::move(attributes));
}

Value raise_exception_function(Runtime&, Arguments& arguments) {
  const std::string name = "raise_exception";
  const Bound bound(name, arguments, {"message"}, 1);
  throw EvalError("the template refuses the conversation: " + to_text(*bound[0]));
}

Value strftime_now_function(Runtime& runtime, Arguments& arguments) {
  const std::string name = "strftime_now";
  const Bound bound(name, arguments, {"format"}, 1);
  // A trailing mark tells an empty result from one that does not fit.
  const std::string format = bound.text(0, "") + "|";
  if (format.size() > 1000 || format.find('\0') != std::string::npos) {
    throw EvalError("strftime_now: the format is too long or holds a NUL");
  }
  std::array<char, 16384> buffer{};
  // In the C locale, so that every process writes the same names of months and days.
  static const locale_t c_locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
  const std::tm now = runtime.now();
  const std::size_t size =
      ::strftime_l(buffer.data(), buffer.size(), format.c_str(), &now, c_locale);
  if (size == 0) throw EvalError("strftime_now: the text is too long");
  return Value::text(std::string(buffer.data(), size - 1));
}

Value make_function(const char* name, Value (*call)(Runtime&, Arguments&)) {
  Function function;
  function.name = name;
  function.call = call;
  return Value::function(std::move(function));
}

}  // namespace

Variables global_functions() {
  Variables globals;
  const auto add = [&](const char* name, Value (*call)(Runtime&, Arguments&)) {
    globals.emplace_back(name, make_function(name, call));
  };
  add("range", range_function);
  add("dict", dict_function);
  add("namespace", namespace_function);
  add("raise_exception", raise_exception_function);
  add("strftime_now", strftime_now_function);
  return globals;
}

}  // namespace svtune::jinja::detail
