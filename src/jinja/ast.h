// Syntax tree of a template. Plain data: the parser builds it, the interpreter walks it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/value.h"

namespace svtune::jinja {

struct Expr;
struct Statement;
using ExprPtr = std::unique_ptr<Expr>;
using ExprList = std::vector<ExprPtr>;
using Body = std::vector<Statement>;

struct CallArguments {
  ExprList positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, star_star;  // may be null
};

struct LiteralExpr {
  Value value;
};
struct NameExpr {
  std::string name;
};
struct SequenceExpr {
  SequenceKind kind;
  ExprList items;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct UnaryExpr {
  std::string op;  // "not", "-", "+"
  ExprPtr operand;
};
struct BinaryExpr {
  std::string op;  // "and", "or", "+", "-", "*", "/", "//", "%", "**"
  ExprPtr left, right;
};
struct CompareExpr {
  ExprPtr first;
  std::vector<std::pair<std::string, ExprPtr>> rest;  // "==", ..., "in", "not in"
};
struct ConcatExpr {
  ExprList parts;
};
struct ConditionalExpr {
  ExprPtr test, then, otherwise;  // `otherwise` may be null
};
struct AttributeExpr {
  ExprPtr object;
  std::string name;
};
struct SubscriptExpr {
  ExprPtr object, index;
};
struct SliceExpr {
  ExprPtr object, start, stop, step;  // bounds may be null
};
struct CallExpr {
  ExprPtr callee;
  CallArguments arguments;
};
struct FilterExpr {
  ExprPtr object;  // null in `filter` and `set` blocks: the text of the block
  std::string name;
  CallArguments arguments;
};
struct TestExpr {
  ExprPtr object;
  std::string name;
  CallArguments arguments;
  bool negated = false;
};

using ExprNode = std::variant<LiteralExpr, NameExpr, SequenceExpr, DictExpr, UnaryExpr, BinaryExpr,
                              CompareExpr, ConcatExpr, ConditionalExpr, AttributeExpr,
                              SubscriptExpr, SliceExpr, CallExpr, FilterExpr, TestExpr>;

// Largest height of the direct children of a node, 0 without children.
int children_height(const ExprNode& node);

struct Expr {
  ExprNode node;
  int line = 0;
  int height = 1;  // longest way to a leaf
};

// What an assignment writes to: a name, an attribute of a namespace, or a tuple of targets.
struct Target {
  std::string name;
  std::string attribute;      // of the namespace `name`
  std::vector<Target> parts;  // of a tuple
};

// What a macro takes. Jinja passes surplus arguments on only to macros whose body mentions
// `varargs`, `kwargs` or `caller`.
struct Parameters {
  std::vector<std::string> names;
  ExprList defaults;  // of the last ones
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};

struct TextStatement {
  std::string text;
};
struct OutputStatement {
  ExprPtr value;
};
struct IfStatement {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct ForStatement {
  Target target;
  ExprPtr items;
  ExprPtr condition;  // may be null
  Body body, otherwise;
};
struct SetStatement {
  Target target;
  ExprPtr value;
};
struct SetBlockStatement {
  Target target;
  ExprPtr filter;  // may be null
  Body body;
};
struct MacroStatement {
  std::string name;
  Parameters parameters;
  Body body;
};
struct CallBlockStatement {
  ExprPtr call;
  Parameters parameters;
  Body body;
};
struct FilterBlockStatement {
  ExprPtr filter;
  Body body;
};
struct WithStatement {
  std::vector<std::pair<Target, ExprPtr>> bindings;
  Body body;
};
struct GenerationStatement {
  Body body;
};
struct BreakStatement {};
struct ContinueStatement {};

struct Statement {
  std::variant<TextStatement, OutputStatement, IfStatement, ForStatement, SetStatement,
               SetBlockStatement, MacroStatement, CallBlockStatement, FilterBlockStatement,
               WithStatement, GenerationStatement, BreakStatement, ContinueStatement>
      node;
  int line = 0;
};

struct TemplateTree {
  std::string name;  // for messages
  Body body;
  bool has_generation = false;
};

}  // namespace svtune::jinja
