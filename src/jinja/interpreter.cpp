// Statements; see interpreter.h. Expressions are in expressions.cpp.
#include "jinja/interpreter.h"

#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/value_ops.h"

namespace svtune::jinja {
namespace detail {
namespace {

// Puts a value back when the block is left, also by an exception.
template <typename T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), saved_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(saved_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T& place_;
  T saved_;
};

ScopePtr child_of(const ScopePtr& parent) {
  auto scope = std::make_shared<Scope>();
  scope->parent = parent;
  return scope;
}

}  // namespace

const Value* Scope::find(const std::string& name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(const std::string& name, Value value) {
  for (auto& [key, held] : variables) {
    if (key == name) {
      held = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

Interpreter::Nesting::Nesting(Interpreter& interpreter) : interpreter_(interpreter) {
  if (interpreter.nesting_ >= interpreter.runtime_.limits().recursion) {
    throw EvalError("the template nests or recurses too deeply");
  }
  ++interpreter.nesting_;
}

Interpreter::~Interpreter() {
  for (const ScopePtr& scope : captured_scopes_) {
    const Variables variables = std::move(scope->variables);
    scope->variables.clear();
  }
}

Rendering Interpreter::run(Variables variables) {
  auto globals = std::make_shared<Scope>();
  globals->variables = global_functions();
  auto context = child_of(globals);
  context->variables = std::move(variables);
  scope_ = child_of(context);
  out_ = &rendering_.text;
  run_body(tree_.body);
  return std::move(rendering_);
}

Flow Interpreter::run_body(const Body& body) {
  for (const Statement& statement : body) {
    const Flow flow = execute(statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow Interpreter::run_scoped(const Body& body) {
  const Restore<ScopePtr> scope(scope_, child_of(scope_));
  return run_body(body);
}

Flow Interpreter::execute(const Statement& statement) {
  try {
    const Nesting nesting(*this);
    runtime_.spend(1);
    return std::visit([this](const auto& node) { return exec(node); }, statement.node);
  } catch (const EvalError& error) {
    throw TemplateError(tree_.name, statement.line, error.what());
  }
}

void Interpreter::write(std::string_view text) {
  if (out_->size() + text.size() > runtime_.limits().output_bytes) {
    throw EvalError("the text exceeds the limit of " +
                    format_bytes(runtime_.limits().output_bytes));
  }
  out_->append(text);
}

std::string Interpreter::capture(const Body& body) {
  std::string text;
  const Restore<std::string*> out(out_, &text);
  const Restore<int> captures(captures_, captures_ + 1);
  run_scoped(body);
  return text;
}

Flow Interpreter::exec(const TextStatement& node) {
  write(node.text);
  return Flow::kNext;
}

Flow Interpreter::exec(const OutputStatement& node) {
  const Value value = evaluate(*node.value);
  if (const Text* text = value.as_text()) {
    write(text->bytes);
  } else {
    write(to_text(value));
  }
  return Flow::kNext;
}

Flow Interpreter::exec(const IfStatement& node) {
  for (const auto& [test, body] : node.branches) {
    if (truthy(evaluate(*test))) return run_body(body);
  }
  return run_body(node.otherwise);
}

std::shared_ptr<const Sequence> Interpreter::loop_items(const ForStatement& node) {
  auto items = iterate(evaluate(*node.items));
  runtime_.spend(items->items.size() / 8);
  if (node.condition == nullptr) return items;
  auto kept = std::make_shared<Sequence>();
  kept->depth = items->depth;
  for (const Value& item : items->items) {
    runtime_.spend(1);
    const Restore<ScopePtr> scope(scope_, child_of(scope_));
    assign(node.target, item);
    if (truthy(evaluate(*node.condition))) kept->items.push_back(item);
  }
  return kept;
}

Flow Interpreter::exec(const ForStatement& node) {
  auto loop = std::make_shared<LoopState>();
  loop->items = loop_items(node);
  if (loop->items->items.empty()) return run_scoped(node.otherwise);
  for (std::size_t i = 0; i < loop->items->items.size(); ++i) {
    loop->index = i;
    runtime_.spend(1);
    const Restore<ScopePtr> scope(scope_, child_of(scope_));
    scope_->set("loop", Value(Value::Storage(loop)));
    assign(node.target, loop->items->items[i]);
    if (run_body(node.body) == Flow::kBreak) break;
  }
  return Flow::kNext;
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (!target.parts.empty()) {
    const auto items = iterate(value);
    if (items->items.size() != target.parts.size()) {
      throw EvalError("cannot unpack " + std::to_string(items->items.size()) + " values into " +
                      std::to_string(target.parts.size()) + " names");
    }
    for (std::size_t i = 0; i < target.parts.size(); ++i) assign(target.parts[i], items->items[i]);
  } else if (target.attribute.empty()) {
    scope_->set(target.name, value);
  } else {
    const Value* space = scope_->find(target.name);
    if (space == nullptr || space->as_namespace() == nullptr) {
      throw EvalError("cannot assign to '" + target.name + "." + target.attribute + "': '" +
                      target.name + "' is not a namespace");
    }
    Runtime::set_attribute(*space->as_namespace(), target.attribute, value);
  }
}

Flow Interpreter::exec(const SetStatement& node) {
  assign(node.target, evaluate(*node.value));
  return Flow::kNext;
}

Flow Interpreter::exec(const SetBlockStatement& node) {
  const std::string text = capture(node.body);
  if (node.filter == nullptr) {
    assign(node.target, Value::text(text));
  } else {
    const Restore<const std::string*> block(block_text_, &text);
    assign(node.target, evaluate(*node.filter));
  }
  return Flow::kNext;
}

Flow Interpreter::exec(const FilterBlockStatement& node) {
  const std::string text = capture(node.body);
  const Restore<const std::string*> block(block_text_, &text);
  write(to_text(evaluate(*node.filter)));
  return Flow::kNext;
}

Flow Interpreter::exec(const WithStatement& node) {
  ScopePtr inner = child_of(scope_);
  for (const auto& [target, value] : node.bindings) {
    const Value result = evaluate(*value);
    const Restore<ScopePtr> scope(scope_, inner);
    assign(target, result);
  }
  const Restore<ScopePtr> scope(scope_, inner);
  return run_body(node.body);
}

Flow Interpreter::exec(const GenerationStatement& node) {
  const std::size_t begin = out_->size();
  run_scoped(node.body);
  if (captures_ > 0) {
    rendering_.generation_known = false;
  } else {
    rendering_.generation.push_back({begin, out_->size()});
  }
  return Flow::kNext;
}

void Interpreter::bind_surplus(const std::string& name, const Parameters& parameters,
                               Arguments& arguments, std::vector<bool>& given) {
  const std::size_t count = parameters.names.size();
  ValueList varargs;
  for (std::size_t i = count; i < arguments.positional.size(); ++i) {
    varargs.push_back(arguments.positional[i]);
  }
  if (!varargs.empty() && !parameters.uses_varargs) {
    throw EvalError("macro '" + name + "' takes at most " + std::to_string(count) + " arguments");
  }
  Dict kwargs;
  Value caller = Value::undefined("no caller is defined in macro '" + name + "'");
  for (auto& [key, value] : arguments.named) {
    const auto place = std::find(parameters.names.begin(), parameters.names.end(), key);
    if (place != parameters.names.end()) {
      const auto index = static_cast<std::size_t>(place - parameters.names.begin());
      if (given[index]) throw EvalError("macro '" + name + "' got '" + key + "' twice");
      given[index] = true;
      scope_->set(key, std::move(value));
    } else if (key == "caller" && parameters.uses_caller) {
      caller = std::move(value);
    } else if (parameters.uses_kwargs) {
      kwargs.set(Value::text(key), std::move(value));
    } else {
      throw EvalError("macro '" + name + "' has no argument '" + key + "'");
    }
  }
  if (parameters.uses_varargs) scope_->set("varargs", Value::tuple(std::move(varargs)));
  if (parameters.uses_kwargs) scope_->set("kwargs", Value::dict(std::move(kwargs)));
  const bool named = std::find(parameters.names.begin(), parameters.names.end(), "caller") !=
                     parameters.names.end();
  if (parameters.uses_caller && !named) scope_->set("caller", std::move(caller));
}

void Interpreter::bind_parameters(const std::string& name, const Parameters& parameters,
                                  Arguments& arguments) {
  const std::size_t count = parameters.names.size();
  std::vector<bool> given(count, false);
  for (std::size_t i = 0; i < count && i < arguments.positional.size(); ++i) {
    given[i] = true;
    scope_->set(parameters.names[i], arguments.positional[i]);
  }
  bind_surplus(name, parameters, arguments, given);
  const std::size_t first_default = count - parameters.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (given[i]) continue;
    const std::string& parameter = parameters.names[i];
    scope_->set(parameter, i >= first_default
                               ? evaluate(*parameters.defaults[i - first_default])
                               : Value::undefined("parameter '" + parameter + "' of macro '" +
                                                  name + "' was not given"));
  }
}

Value Interpreter::make_macro(const std::string& name, const Parameters& parameters,
                              const Body& body) {
  if (captured_scopes_.empty() || captured_scopes_.back() != scope_) {
    captured_scopes_.push_back(scope_);
  }
  Function macro;
  macro.name = name;
  macro.call = [this, name, &parameters, &body, parent = scope_](Runtime&, Arguments& arguments) {
    const Nesting nesting(*this);
    const Restore<ScopePtr> scope(scope_, child_of(parent));
    bind_parameters(name, parameters, arguments);
    return Value::text(capture(body));
  };
  return Value::function(std::move(macro));
}

Flow Interpreter::exec(const MacroStatement& node) {
  scope_->set(node.name, make_macro(node.name, node.parameters, node.body));
  return Flow::kNext;
}

Flow Interpreter::exec(const CallBlockStatement& node) {
  const auto& call_node = std::get<CallExpr>(node.call->node);
  Arguments arguments = evaluate_arguments(call_node.arguments);
  arguments.named.emplace_back("caller", make_macro("caller", node.parameters, node.body));
  write(to_text(call(call_node, std::move(arguments))));
  return Flow::kNext;
}

}  // namespace detail

Rendering render(const TemplateTree& tree, Variables variables, const Limits& limits,
                 std::optional<std::tm> now) {
  Runtime runtime(limits, now);
  return detail::Interpreter(tree, runtime).run(std::move(variables));
}

}  // namespace svtune::jinja
