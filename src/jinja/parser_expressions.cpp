// Expressions; see parser.h.
#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/filters.h"
#include "jinja/parser.h"

namespace svtune::jinja::detail {
namespace {

constexpr int kMaxHeight = 150;

}  // namespace

ExprPtr Parser::make(int line, ExprNode node) {
  auto expr = std::make_unique<Expr>();
  expr->height = 1 + children_height(node);
  if (expr->height > kMaxHeight) fail(line, "the expression is too long or too deep");
  expr->node = std::move(node);
  expr->line = line;
  return expr;
}

bool Parser::at_tuple_end() const {
  return current().kind == TokenKind::kVariableEnd || current().kind == TokenKind::kBlockEnd ||
         at_operator(")") || at_name("recursive");
}

ExprPtr Parser::parse_tuple(bool with_condition, bool parenthesized) {
  const int line = current().line;
  ExprList items;
  bool is_tuple = false;
  for (;;) {
    if (!items.empty()) expect_operator(",");
    if (at_tuple_end()) break;
    items.push_back(parse_expression(with_condition));
    if (!at_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items.front());
    if (!parenthesized) {
      fail(current().line, "expected an expression, got " + describe(current()));
    }
  }
  return make(line, SequenceExpr{SequenceKind::kTuple, std::move(items)});
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const DepthGuard guard(*this);
  if (!with_condition) return parse_or();
  const int line = current().line;
  ExprPtr value = parse_or();
  while (skip_name("if")) {
    ExprPtr test = parse_or();
    ExprPtr otherwise;
    if (skip_name("else")) otherwise = parse_expression();
    value = make(line, ConditionalExpr{std::move(test), std::move(value), std::move(otherwise)});
  }
  return value;
}

ExprPtr Parser::parse_or() {
  const int line = current().line;
  ExprPtr left = parse_and();
  while (skip_name("or")) left = make(line, BinaryExpr{"or", std::move(left), parse_and()});
  return left;
}

ExprPtr Parser::parse_and() {
  const int line = current().line;
  ExprPtr left = parse_not();
  while (skip_name("and")) left = make(line, BinaryExpr{"and", std::move(left), parse_not()});
  return left;
}

ExprPtr Parser::parse_not() {
  const DepthGuard guard(*this);
  const int line = current().line;
  if (skip_name("not")) return make(line, UnaryExpr{"not", parse_not()});
  return parse_compare();
}

ExprPtr Parser::parse_compare() {
  static constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">="};
  const int line = current().line;
  CompareExpr node;
  node.first = parse_sum();
  for (;;) {
    const bool compares = current().kind == TokenKind::kOperator &&
                          std::find(std::begin(kOperators), std::end(kOperators), current().text) !=
                              std::end(kOperators);
    std::string op;
    if (compares || at_name("in")) {
      op = take().text;
    } else if (at_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in") {
      take();
      take();
      op = "not in";
    } else {
      break;
    }
    node.rest.emplace_back(std::move(op), parse_sum());
  }
  if (node.rest.empty()) return std::move(node.first);
  return make(line, std::move(node));
}

ExprPtr Parser::parse_sum() {
  const int line = current().line;
  ExprPtr left = parse_concat();
  while (at_operator("+") || at_operator("-")) {
    std::string op = take().text;
    left = make(line, BinaryExpr{std::move(op), std::move(left), parse_concat()});
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  const int line = current().line;
  ConcatExpr node;
  node.parts.push_back(parse_product());
  while (skip_operator("~")) node.parts.push_back(parse_product());
  if (node.parts.size() == 1) return std::move(node.parts.front());
  return make(line, std::move(node));
}

ExprPtr Parser::parse_product() {
  const int line = current().line;
  ExprPtr left = parse_power();
  while (at_operator("*") || at_operator("/") || at_operator("//") || at_operator("%")) {
    std::string op = take().text;
    left = make(line, BinaryExpr{std::move(op), std::move(left), parse_power()});
  }
  return left;
}

ExprPtr Parser::parse_power() {
  const int line = current().line;
  ExprPtr left = parse_unary();
  while (skip_operator("**")) left = make(line, BinaryExpr{"**", std::move(left), parse_unary()});
  return left;
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const DepthGuard guard(*this);
  const int line = current().line;
  ExprPtr node;
  if (at_operator("-") || at_operator("+")) {
    std::string op = take().text;
    node = make(line, UnaryExpr{std::move(op), parse_unary(false)});
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_named_primary() {
  const Token token = take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return make(token.line, LiteralExpr{Value::boolean(true)});
  if (name == "false" || name == "False") {
    return make(token.line, LiteralExpr{Value::boolean(false)});
  }
  if (name == "none" || name == "None") return make(token.line, LiteralExpr{Value::none()});
  uses_varargs_ = uses_varargs_ || name == "varargs";
  uses_kwargs_ = uses_kwargs_ || name == "kwargs";
  uses_caller_ = uses_caller_ || name == "caller";
  return make(token.line, NameExpr{name});
}

ExprPtr Parser::parse_string() {
  const int line = current().line;
  std::string text;
  while (current().kind == TokenKind::kString) text += take().text;
  return make(line, LiteralExpr{Value::text(std::move(text))});
}

ExprPtr Parser::parse_primary() {
  const Token& token = current();
  switch (token.kind) {
    case TokenKind::kName:
      return parse_named_primary();
    case TokenKind::kString:
      return parse_string();
    case TokenKind::kInteger: {
      const Token number = take();
      return make(number.line, LiteralExpr{Value::integer(number.integer)});
    }
    case TokenKind::kReal: {
      const Token number = take();
      return make(number.line, LiteralExpr{Value::real(number.real)});
    }
    default:
      break;
  }
  if (skip_operator("(")) {
    ExprPtr inner = parse_tuple(true, true);
    expect_operator(")");
    return inner;
  }
  if (at_operator("[")) return parse_list();
  if (at_operator("{")) return parse_dict();
  fail(token.line, "expected an expression, got " + describe(token));
}

ExprPtr Parser::parse_list() {
  const int line = take().line;
  ExprList items;
  while (!at_operator("]")) {
    if (!items.empty()) expect_operator(",");
    if (at_operator("]")) break;
    items.push_back(parse_expression());
  }
  expect_operator("]");
  return make(line, SequenceExpr{SequenceKind::kList, std::move(items)});
}

ExprPtr Parser::parse_dict() {
  const int line = take().line;
  DictExpr node;
  while (!at_operator("}")) {
    if (!node.entries.empty()) expect_operator(",");
    if (at_operator("}")) break;
    ExprPtr key = parse_expression();
    expect_operator(":");
    node.entries.emplace_back(std::move(key), parse_expression());
  }
  expect_operator("}");
  return make(line, std::move(node));
}

ExprPtr Parser::parse_postfix(ExprPtr node) {
  for (;;) {
    const int line = current().line;
    if (at_operator(".") || at_operator("[")) {
      node = parse_subscript(std::move(node));
    } else if (at_operator("(")) {
      node = make(line, CallExpr{std::move(node), parse_arguments()});
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const int line = current().line;
  if (skip_operator(".")) {
    const Token member = take();
    if (member.kind == TokenKind::kName) {
      return make(line, AttributeExpr{std::move(node), member.text});
    }
    if (member.kind != TokenKind::kInteger) {
      fail(member.line, "expected a name or a number after '.', got " + describe(member));
    }
    ExprPtr index = make(line, LiteralExpr{Value::integer(member.integer)});
    return make(line, SubscriptExpr{std::move(node), std::move(index)});
  }
  expect_operator("[");
  SliceExpr slice;
  bool is_slice = false;
  if (!at_operator(":")) slice.start = parse_expression();
  if (skip_operator(":")) {
    is_slice = true;
    if (!at_operator(":") && !at_operator("]")) slice.stop = parse_expression();
    if (skip_operator(":") && !at_operator("]")) slice.step = parse_expression();
  }
  if (at_operator(",")) fail(line, "unsupported: several indices within one []");
  expect_operator("]");
  if (!is_slice) return make(line, SubscriptExpr{std::move(node), std::move(slice.start)});
  slice.object = std::move(node);
  return make(line, std::move(slice));
}

ExprPtr Parser::parse_filters_and_tests(ExprPtr node) {
  for (;;) {
    const int line = current().line;
    if (at_operator("|")) {
      node = parse_filter_chain(std::move(node));
    } else if (at_name("is")) {
      node = parse_test(std::move(node));
    } else if (at_operator("(")) {
      node = make(line, CallExpr{std::move(node), parse_arguments()});
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_filter(ExprPtr object) {
  FilterExpr node;
  const int line = current().line;
  node.object = std::move(object);
  node.name = expect_identifier();
  if (at_operator(".")) fail(line, "unsupported: dotted filter name");
  if (!is_filter(node.name)) {
    fail(line, "unsupported filter '" + node.name + "'");
  }
  if (at_operator("(")) node.arguments = parse_arguments();
  return make(line, std::move(node));
}

ExprPtr Parser::parse_filter_chain(ExprPtr object) {
  while (skip_operator("|")) object = parse_filter(std::move(object));
  return object;
}

ExprPtr Parser::parse_test(ExprPtr object) {
  const int line = take().line;
  TestExpr node;
  node.object = std::move(object);
  node.negated = skip_name("not");
  node.name = expect_identifier();
  if (!is_test(node.name)) fail(line, "unsupported test '" + node.name + "'");
  const TokenKind kind = current().kind;
  const bool operand = kind == TokenKind::kName || kind == TokenKind::kString ||
                       kind == TokenKind::kInteger || kind == TokenKind::kReal ||
                       at_operator("[") || at_operator("{");
  if (at_operator("(")) {
    node.arguments = parse_arguments();
  } else if (operand && !at_name("else") && !at_name("or") && !at_name("and")) {
    if (at_name("is")) fail(line, "tests cannot be chained with 'is'");
    node.arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  return make(line, std::move(node));
}

CallArguments Parser::parse_arguments() {
  const int line = current().line;
  expect_operator("(");
  CallArguments arguments;
  bool first = true;
  while (!at_operator(")")) {
    if (!first) {
      expect_operator(",");
      if (at_operator(")")) break;
    }
    first = false;
    const bool named = current().kind == TokenKind::kName && ahead().kind == TokenKind::kOperator &&
                       ahead().text == "=";
    bool in_order = arguments.star_star == nullptr;
    if (skip_operator("*")) {
      in_order = in_order && arguments.star == nullptr;
      arguments.star = parse_expression();
    } else if (skip_operator("**")) {
      arguments.star_star = parse_expression();
    } else if (named) {
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      in_order = in_order && arguments.star == nullptr && arguments.named.empty();
      arguments.positional.push_back(parse_expression());
    }
    if (!in_order) fail(line, "the arguments of a call are in a wrong order");
  }
  expect_operator(")");
  return arguments;
}

}  // namespace svtune::jinja::detail
