// Tokens and statements; see parser.h.
#include <algorithm>

#include "base/text_util.h"
#include "jinja/error.h"
#include "jinja/parser.h"

namespace svtune::jinja {
namespace detail {
namespace {

constexpr int kMaxDepth = 150;

}  // namespace

DepthGuard::DepthGuard(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ > kMaxDepth) {
    --parser_.depth_;
    parser_.fail(parser_.current().line, "the template nests too deeply");
  }
}

Parser::Parser(std::vector<Token> tokens, std::string name)
    : tokens_(std::move(tokens)), name_(std::move(name)) {}

TemplateTree Parser::parse() {
  TemplateTree tree;
  tree.body = parse_body({});
  tree.name = name_;
  tree.has_generation = has_generation_;
  return tree;
}

void Parser::fail(int line, const std::string& what) const {
  throw TemplateError(name_, line, what);
}

Token Parser::take() {
  const Token token = current();
  if (pos_ + 1 < tokens_.size()) ++pos_;
  return token;
}

bool Parser::at_operator(std::string_view text) const {
  return current().kind == TokenKind::kOperator && current().text == text;
}

bool Parser::at_name(std::string_view text) const {
  return current().kind == TokenKind::kName && current().text == text;
}

bool Parser::skip_operator(std::string_view text) { return at_operator(text) && (take(), true); }
bool Parser::skip_name(std::string_view text) { return at_name(text) && (take(), true); }

void Parser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) {
    fail(current().line, "expected '" + std::string(text) + "', got " + describe(current()));
  }
}

void Parser::expect_name(std::string_view text) {
  if (!skip_name(text)) {
    fail(current().line, "expected '" + std::string(text) + "', got " + describe(current()));
  }
}

std::string Parser::expect_identifier() {
  if (current().kind != TokenKind::kName) {
    fail(current().line, "expected a name, got " + describe(current()));
  }
  return take().text;
}

void Parser::end_tag() {
  if (current().kind != TokenKind::kBlockEnd) {
    fail(current().line, "expected the end of the tag, got " + describe(current()));
  }
  take();
}

Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  const DepthGuard guard(*this);
  Body body;
  const int start = current().line;
  for (;;) {
    const Token& token = current();
    if (token.kind == TokenKind::kText) {
      body.push_back({TextStatement{token.text}, token.line});
      take();
    } else if (token.kind == TokenKind::kVariableBegin) {
      const int line = take().line;
      ExprPtr value = parse_tuple(true);
      if (current().kind != TokenKind::kVariableEnd) {
        fail(current().line, "expected '}}', got " + describe(current()));
      }
      take();
      body.push_back({OutputStatement{std::move(value)}, line});
    } else if (token.kind == TokenKind::kBlockBegin) {
      take();
      const bool ended =
          std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return at_name(end); });
      if (ended) return body;
      body.push_back(parse_statement());
    } else {
      if (ends.size() == 0) return body;
      fail(start, "a block is not closed: '" + std::string(*(ends.end() - 1)) + "' is missing");
    }
  }
}

Body Parser::parse_body_and_end(std::string_view end) {
  Body body = parse_body({end});
  take();
  end_tag();
  return body;
}

Statement Parser::parse_statement() {
  if (current().kind != TokenKind::kName) {
    fail(current().line, "expected the name of a tag, got " + describe(current()));
  }
  const std::string& tag = current().text;
  if (tag == "if") return parse_if();
  if (tag == "for") return parse_for();
  if (tag == "set") return parse_set();
  if (tag == "macro") return parse_macro();
  if (tag == "call") return parse_call_block();
  if (tag == "filter") return parse_filter_block();
  if (tag == "with") return parse_with();
  if (tag == "generation") return parse_generation();
  if (tag == "break" || tag == "continue") return parse_loop_control();
  const bool stray = tag.starts_with("end") || tag == "else" || tag == "elif";
  fail(current().line, stray ? "unexpected tag '" + tag + "'" : "unsupported tag '" + tag + "'");
}

Statement Parser::parse_if() {
  const int line = take().line;
  IfStatement node;
  for (;;) {
    ExprPtr test = parse_tuple(false);
    end_tag();
    Body body = parse_body({"elif", "else", "endif"});
    node.branches.emplace_back(std::move(test), std::move(body));
    if (skip_name("elif")) continue;
    if (skip_name("else")) {
      end_tag();
      node.otherwise = parse_body_and_end("endif");
      return {std::move(node), line};
    }
    take();
    end_tag();
    return {std::move(node), line};
  }
}

Statement Parser::parse_for() {
  const int line = take().line;
  ForStatement node;
  node.target = parse_target(false);
  expect_name("in");
  node.items = parse_tuple(false);
  if (skip_name("if")) node.condition = parse_expression();
  if (at_name("recursive")) fail(current().line, "unsupported: recursive for loop");
  end_tag();
  ++loops_;
  node.body = parse_body({"else", "endfor"});
  --loops_;
  if (skip_name("else")) {
    end_tag();
    node.otherwise = parse_body_and_end("endfor");
  } else {
    take();
    end_tag();
  }
  return {std::move(node), line};
}

Target Parser::parse_single_target(bool allow_attribute) {
  const DepthGuard guard(*this);
  if (skip_operator("(")) {
    Target target = parse_target(allow_attribute);
    expect_operator(")");
    return target;
  }
  const int line = current().line;
  Target target;
  target.name = expect_identifier();
  static constexpr std::string_view kConstants[] = {"true", "false", "none",
                                                    "True", "False", "None"};
  if (std::find(std::begin(kConstants), std::end(kConstants), target.name) !=
      std::end(kConstants)) {
    fail(line, "cannot assign to '" + target.name + "'");
  }
  if (allow_attribute && skip_operator(".")) target.attribute = expect_identifier();
  return target;
}

Target Parser::parse_target(bool allow_attribute) {
  Target first = parse_single_target(allow_attribute);
  if (!at_operator(",")) return first;
  Target tuple;
  tuple.parts.push_back(std::move(first));
  while (skip_operator(",")) {
    if (current().kind != TokenKind::kName && !at_operator("(")) break;
    if (at_name("in")) break;
    tuple.parts.push_back(parse_single_target(allow_attribute));
  }
  return tuple;
}

Statement Parser::parse_set() {
  const int line = take().line;
  Target target = parse_target(true);
  if (skip_operator("=")) {
    SetStatement node{std::move(target), parse_tuple(true)};
    end_tag();
    return {std::move(node), line};
  }
  SetBlockStatement node;
  node.target = std::move(target);
  if (at_operator("|")) node.filter = parse_filter_chain(nullptr);
  end_tag();
  node.body = parse_body_and_end("endset");
  return {std::move(node), line};
}

Parameters Parser::parse_parameters() {
  Parameters parameters;
  expect_operator("(");
  while (!at_operator(")")) {
    if (!parameters.names.empty()) expect_operator(",");
    if (at_operator(")")) break;
    const int line = current().line;
    parameters.names.push_back(expect_identifier());
    if (skip_operator("=")) {
      parameters.defaults.push_back(parse_expression());
    } else if (!parameters.defaults.empty()) {
      fail(line, "a parameter without default follows one with default");
    }
  }
  expect_operator(")");
  return parameters;
}

Body Parser::parse_macro_body(std::string_view end, Parameters& parameters) {
  const int loops = std::exchange(loops_, 0);
  const bool varargs = std::exchange(uses_varargs_, false);
  const bool kwargs = std::exchange(uses_kwargs_, false);
  const bool caller = std::exchange(uses_caller_, false);
  Body body = parse_body_and_end(end);
  loops_ = loops;
  parameters.uses_varargs = uses_varargs_;
  parameters.uses_kwargs = uses_kwargs_;
  parameters.uses_caller = uses_caller_;
  uses_varargs_ = uses_varargs_ || varargs;
  uses_kwargs_ = uses_kwargs_ || kwargs;
  uses_caller_ = uses_caller_ || caller;
  return body;
}

Statement Parser::parse_macro() {
  const int line = take().line;
  MacroStatement node;
  node.name = expect_identifier();
  node.parameters = parse_parameters();
  end_tag();
  node.body = parse_macro_body("endmacro", node.parameters);
  return {std::move(node), line};
}

Statement Parser::parse_call_block() {
  const int line = take().line;
  CallBlockStatement node;
  if (at_operator("(")) node.parameters = parse_parameters();
  node.call = parse_expression();
  if (!std::holds_alternative<CallExpr>(node.call->node)) {
    fail(line, "a call block needs a call such as name(...)");
  }
  end_tag();
  node.body = parse_macro_body("endcall", node.parameters);
  return {std::move(node), line};
}

Statement Parser::parse_filter_block() {
  const int line = take().line;
  FilterBlockStatement node;
  node.filter = parse_filter_chain(parse_filter(nullptr));
  end_tag();
  node.body = parse_body_and_end("endfilter");
  return {std::move(node), line};
}

Statement Parser::parse_with() {
  const int line = take().line;
  WithStatement node;
  while (current().kind != TokenKind::kBlockEnd) {
    if (!node.bindings.empty()) expect_operator(",");
    Target target = parse_single_target(false);
    expect_operator("=");
    node.bindings.emplace_back(std::move(target), parse_expression());
  }
  end_tag();
  node.body = parse_body_and_end("endwith");
  return {std::move(node), line};
}

Statement Parser::parse_generation() {
  const int line = take().line;
  end_tag();
  if (std::exchange(in_generation_, true)) fail(line, "generation blocks cannot be nested");
  has_generation_ = true;
  const int loops = std::exchange(loops_, 0);
  Body body = parse_body_and_end("endgeneration");
  loops_ = loops;
  in_generation_ = false;
  return {GenerationStatement{std::move(body)}, line};
}

Statement Parser::parse_loop_control() {
  const Token token = take();
  if (loops_ == 0) fail(token.line, "'" + token.text + "' outside of a for loop");
  end_tag();
  if (token.text == "break") return {BreakStatement{}, token.line};
  return {ContinueStatement{}, token.line};
}

}  // namespace detail

TemplateTree parse_template(std::string_view source, std::string name) {
  const std::size_t invalid = find_invalid_utf8(source);
  if (invalid != std::string_view::npos) {
    const auto line =
        1 + std::count(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(invalid), '\n');
    throw TemplateError(name, static_cast<int>(line),
                        "byte " + std::to_string(invalid) + " is not valid UTF-8");
  }
  std::vector<Token> tokens = tokenize_template(source, name);
  return detail::Parser(std::move(tokens), std::move(name)).parse();
}

}  // namespace svtune::jinja
