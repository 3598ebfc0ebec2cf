// Parser of the template subset: Jinja's grammar without inheritance, includes, imports,
// recursive loops and extensions other than loop controls and generation blocks.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace svtune::jinja {

// Throws TemplateError naming the construct that is malformed or outside the subset, and its
// line; unknown filters and tests are such constructs.
TemplateTree parse_template(std::string_view source, std::string name);

namespace detail {

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string name);
  TemplateTree parse();

 private:
  // Tokens.
  const Token& current() const { return tokens_[pos_]; }
  const Token& ahead() const { return tokens_[std::min(pos_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool at_operator(std::string_view text) const;
  bool at_name(std::string_view text) const;
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect_name(std::string_view text);
  std::string expect_identifier();
  [[noreturn]] void fail(int line, const std::string& what) const;

  // Statements (parser_statements.cpp). A body ends at one of `ends`, which stays current.
  Body parse_body(std::initializer_list<std::string_view> ends);
  Body parse_body_and_end(std::string_view end);
  Statement parse_statement();
  Statement parse_if();
  Statement parse_for();
  Statement parse_set();
  Statement parse_macro();
  Statement parse_call_block();
  Statement parse_filter_block();
  Statement parse_with();
  Statement parse_generation();
  Statement parse_loop_control();
  void end_tag();
  Target parse_target(bool allow_attribute);
  Target parse_single_target(bool allow_attribute);
  Parameters parse_parameters();
  Body parse_macro_body(std::string_view end, Parameters& parameters);

  // Expressions (parser_expressions.cpp).
  ExprPtr parse_tuple(bool with_condition, bool parenthesized = false);
  bool at_tuple_end() const;
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary();
  ExprPtr parse_named_primary();
  ExprPtr parse_string();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_filters_and_tests(ExprPtr node);
  ExprPtr parse_filter(ExprPtr object);
  ExprPtr parse_filter_chain(ExprPtr object);
  ExprPtr parse_test(ExprPtr object);
  CallArguments parse_arguments();
  ExprPtr make(int line, ExprNode node);

  std::vector<Token> tokens_;
  std::size_t pos_ = 0;
  std::string name_;
  int depth_ = 0;
  int loops_ = 0;
  bool has_generation_ = false;
  bool in_generation_ = false;
  // Whether the macro being read mentions these names.
  bool uses_varargs_ = false;
  bool uses_kwargs_ = false;
  bool uses_caller_ = false;

  friend class DepthGuard;
};

// Counts nesting while a rule of the grammar is open.
class DepthGuard {
 public:
  explicit DepthGuard(Parser& parser);
  ~DepthGuard() { --parser_.depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Parser& parser_;
};

}  // namespace detail
}  // namespace svtune::jinja
