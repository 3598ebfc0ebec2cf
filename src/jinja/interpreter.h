// Walks the syntax tree of a template and writes its text.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/runtime.h"

namespace svtune::jinja {

using Variables = std::vector<std::pair<std::string, Value>>;

// Bytes [begin, end) of the text.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const Span&) const = default;
};

struct Rendering {
  std::string text;
  std::vector<Span> generation;  // what the generation blocks wrote, in order
  // False when a generation block ran inside a macro, call, set or filter block, so that its
  // place in the text is unknown.
  bool generation_known = true;
};

// `now` is what strftime_now writes; the clock is never read, so that equal input gives equal text.
// Throws TemplateError when the template fails, calls raise_exception, asks for the date without
// one, or exceeds a limit.
Rendering render(const TemplateTree& tree, Variables variables, const Limits& limits,
                 std::optional<std::tm> now);

namespace detail {

// The variables of one block; look-up goes on in the parent.
struct Scope {
  Variables variables;
  std::shared_ptr<Scope> parent;

  const Value* find(const std::string& name) const;
  void set(const std::string& name, Value value);
};
using ScopePtr = std::shared_ptr<Scope>;

enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(const TemplateTree& tree, Runtime& runtime) : tree_(tree), runtime_(runtime) {}
  ~Interpreter();
  Rendering run(Variables variables);

 private:
  class Nesting;

  // Statements (interpreter.cpp).
  Flow run_body(const Body& body);
  Flow execute(const Statement& statement);
  Flow exec(const TextStatement& node);
  Flow exec(const OutputStatement& node);
  Flow exec(const IfStatement& node);
  Flow exec(const ForStatement& node);
  Flow exec(const SetStatement& node);
  Flow exec(const SetBlockStatement& node);
  Flow exec(const MacroStatement& node);
  Flow exec(const CallBlockStatement& node);
  Flow exec(const FilterBlockStatement& node);
  Flow exec(const WithStatement& node);
  Flow exec(const GenerationStatement& node);
  Flow exec(const BreakStatement&) { return Flow::kBreak; }
  Flow exec(const ContinueStatement&) { return Flow::kContinue; }
  std::shared_ptr<const Sequence> loop_items(const ForStatement& node);
  Flow run_scoped(const Body& body);
  void write(std::string_view text);
  std::string capture(const Body& body);
  void assign(const Target& target, const Value& value);
  Value make_macro(const std::string& name, const Parameters& parameters, const Body& body);
  void bind_parameters(const std::string& name, const Parameters& parameters, Arguments& arguments);
  void bind_surplus(const std::string& name, const Parameters& parameters, Arguments& arguments,
                    std::vector<bool>& given);

  // Expressions (expressions.cpp).
  Value evaluate(const Expr& expr);
  Value eval(const LiteralExpr& node) { return node.value; }
  Value eval(const NameExpr& node);
  Value eval(const SequenceExpr& node);
  Value eval(const DictExpr& node);
  Value eval(const UnaryExpr& node);
  Value eval(const BinaryExpr& node);
  Value eval(const CompareExpr& node);
  Value eval(const ConcatExpr& node);
  Value eval(const ConditionalExpr& node);
  Value eval(const AttributeExpr& node);
  Value eval(const SubscriptExpr& node);
  Value eval(const SliceExpr& node);
  Value eval(const CallExpr& node);
  Value eval(const FilterExpr& node);
  Value eval(const TestExpr& node);
  Arguments evaluate_arguments(const CallArguments& arguments);
  Value call(const CallExpr& node, Arguments arguments);

  const TemplateTree& tree_;
  Runtime& runtime_;
  ScopePtr scope_;
  std::string* out_ = nullptr;
  Rendering rendering_;
  int nesting_ = 0;
  int captures_ = 0;                         // open buffers other than the output
  const std::string* block_text_ = nullptr;  // what the filter of a block is applied to
  std::vector<ScopePtr> captured_scopes_;    // referred to by macros, possibly in circles
};

// Counts nested nodes; throws EvalError at the limit.
class Interpreter::Nesting {
 public:
  explicit Nesting(Interpreter& interpreter);
  ~Nesting() { --interpreter_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Interpreter& interpreter_;
};

// range, dict, namespace, raise_exception, strftime_now.
Variables global_functions();

}  // namespace detail
}  // namespace svtune::jinja
