// Expressions; see interpreter.h.
#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/interpreter.h"
#include "jinja/object_methods.h"
#include "jinja/value_ops.h"

namespace svtune::jinja::detail {
namespace {

bool compare_with(const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return equal(a, b);
  if (op == "!=") return !equal(a, b);
  if (op == "in") return contains(b, a);
  if (op == "not in") return !contains(b, a);
  const bool has_nan = (a.is_real() && *a.get_if<double>() != *a.get_if<double>()) ||
                       (b.is_real() && *b.get_if<double>() != *b.get_if<double>());
  const int order = compare(a, b);
  if (has_nan) return false;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

Value loop_attribute(const LoopState& loop, const std::string& name) {
  const ValueList& items = loop.items->items;
  const auto number = [](std::size_t value) {
    return Value::integer(static_cast<std::int64_t>(value));
  };
  if (name == "index") return number(loop.index + 1);
  if (name == "index0") return number(loop.index);
  if (name == "revindex") return number(items.size() - loop.index);
  if (name == "revindex0") return number(items.size() - loop.index - 1);
  if (name == "first") return Value::boolean(loop.index == 0);
  if (name == "last") return Value::boolean(loop.index + 1 == items.size());
  if (name == "length") return number(items.size());
  if (name == "depth") return number(1);
  if (name == "depth0") return number(0);
  if (name == "previtem") {
    return loop.index > 0 ? items[loop.index - 1] : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return loop.index + 1 < items.size() ? items[loop.index + 1]
                                         : Value::undefined("there is no next item");
  }
  return Value::undefined("'loop' has no attribute '" + name + "'");
}

}  // namespace

Value Interpreter::evaluate(const Expr& expr) {
  try {
    const Nesting nesting(*this);
    runtime_.spend(1);
    Value value = std::visit([this](const auto& node) { return eval(node); }, expr.node);
    runtime_.spend_on(value);
    return value;
  } catch (const EvalError& error) {
    throw TemplateError(tree_.name, expr.line, error.what());
  }
}

Value Interpreter::eval(const NameExpr& node) {
  const Value* found = scope_->find(node.name);
  return found != nullptr ? *found : Value::undefined("'" + node.name + "' is undefined");
}

Value Interpreter::eval(const SequenceExpr& node) {
  ValueList items;
  items.reserve(node.items.size());
  for (const ExprPtr& item : node.items) items.push_back(evaluate(*item));
  return Value::sequence(node.kind, std::move(items));
}

Value Interpreter::eval(const DictExpr& node) {
  Dict entries;
  for (const auto& [key, value] : node.entries) {
    Value evaluated_key = evaluate(*key);
    entries.set(std::move(evaluated_key), evaluate(*value));
  }
  return Value::dict(std::move(entries));
}

Value Interpreter::eval(const UnaryExpr& node) {
  Value operand = evaluate(*node.operand);
  if (node.op == "not") return Value::boolean(!truthy(operand));
  if (node.op == "-") return negate(operand);
  if (operand.is_real()) return operand;
  return Value::integer(require_integer(operand, "the operand of +"));
}

Value Interpreter::eval(const BinaryExpr& node) {
  Value left = evaluate(*node.left);
  if (node.op == "and") return truthy(left) ? evaluate(*node.right) : left;
  if (node.op == "or") return truthy(left) ? left : evaluate(*node.right);
  const Value right = evaluate(*node.right);
  return node.op == "+" ? add(left, right) : arithmetic(node.op, left, right);
}

Value Interpreter::eval(const CompareExpr& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    runtime_.spend_on(right);
    if (!compare_with(op, left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::eval(const ConcatExpr& node) {
  std::string text;
  for (const ExprPtr& part : node.parts) {
    text += to_text(evaluate(*part));
    check_text_size(static_cast<double>(text.size()));
  }
  return Value::text(std::move(text));
}

Value Interpreter::eval(const ConditionalExpr& node) {
  if (truthy(evaluate(*node.test))) return evaluate(*node.then);
  if (node.otherwise != nullptr) return evaluate(*node.otherwise);
  return Value::undefined("an inline if without else is false");
}

Value Interpreter::eval(const AttributeExpr& node) {
  const Value object = evaluate(*node.object);
  if (object.as_loop() != nullptr && node.name != "cycle" && node.name != "changed") {
    return loop_attribute(*object.as_loop(), node.name);
  }
  if (auto method = find_method(object, node.name)) return *std::move(method);
  if (object.is_undefined()) {
    require_defined(object);
  }
  return item_named(object, node.name);
}

Value Interpreter::eval(const SubscriptExpr& node) {
  const Value object = evaluate(*node.object);
  const Value index = evaluate(*node.index);
  Value item = subscript(object, index);
  if (item.is_undefined() && index.is_text()) {
    const std::string& name = index.as_text()->bytes;
    if (object.as_loop() != nullptr) return loop_attribute(*object.as_loop(), name);
    if (auto method = find_method(object, name)) return *std::move(method);
  }
  return item;
}

Value Interpreter::eval(const SliceExpr& node) {
  const Value object = evaluate(*node.object);
  const auto bound = [this](const ExprPtr& expr) {
    return expr == nullptr ? Value::none() : evaluate(*expr);
  };
  const SliceBounds bounds{bound(node.start), bound(node.stop), bound(node.step)};
  return slice(object, bounds);
}

Arguments Interpreter::evaluate_arguments(const CallArguments& arguments) {
  Arguments out;
  for (const ExprPtr& each : arguments.positional) out.positional.push_back(evaluate(*each));
  for (const auto& [name, value] : arguments.named) out.named.emplace_back(name, evaluate(*value));
  if (arguments.star != nullptr) {
    const auto more = iterate(evaluate(*arguments.star));
    out.positional.insert(out.positional.end(), more->items.begin(), more->items.end());
  }
  if (arguments.star_star != nullptr) {
    const Value more = evaluate(*arguments.star_star);
    if (more.as_dict() == nullptr) throw EvalError("the argument after ** must be a dict");
    for (const auto& [key, value] : more.as_dict()->entries()) {
      out.named.emplace_back(require_text(key, "the name of an argument"), value);
    }
  }
  return out;
}

Value Interpreter::call(const CallExpr& node, Arguments arguments) {
  const Value callee = evaluate(*node.callee);
  require_defined(callee);
  const Function* function = callee.as_function();
  if (function == nullptr) {
    throw EvalError(std::string("a ") + callee.type_name() + " cannot be called");
  }
  return function->call(runtime_, arguments);
}

Value Interpreter::eval(const CallExpr& node) {
  return call(node, evaluate_arguments(node.arguments));
}

Value Interpreter::eval(const FilterExpr& node) {
  const Value object = node.object == nullptr ? Value::text(*block_text_) : evaluate(*node.object);
  return apply_filter(runtime_, node.name, object, evaluate_arguments(node.arguments));
}

Value Interpreter::eval(const TestExpr& node) {
  const Value object = evaluate(*node.object);
  const Arguments arguments = evaluate_arguments(node.arguments);
  return Value::boolean(apply_test(runtime_, node.name, object, arguments) != node.negated);
}

}  // namespace svtune::jinja::detail
