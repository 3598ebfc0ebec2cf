#include "jinja/ast.h"

#include <algorithm>

namespace svtune::jinja {
namespace {

// Visits the direct children of a node.
template <typename Visit>
void visit_arguments(const CallArguments& arguments, Visit& visit) {
  for (const ExprPtr& each : arguments.positional) visit(each);
  for (const auto& each : arguments.named) visit(each.second);
  visit(arguments.star);
  visit(arguments.star_star);
}

struct HeightOf {
  int height = 0;
  void operator()(const ExprPtr& child) {
    if (child != nullptr) height = std::max(height, child->height);
  }
  void of(const LiteralExpr&) {}
  void of(const NameExpr&) {}
  void of(const SequenceExpr& node) {
    for (const ExprPtr& each : node.items) (*this)(each);
  }
  void of(const DictExpr& node) {
    for (const auto& [key, value] : node.entries) (*this)(key), (*this)(value);
  }
  void of(const UnaryExpr& node) { (*this)(node.operand); }
  void of(const BinaryExpr& node) { (*this)(node.left), (*this)(node.right); }
  void of(const CompareExpr& node) {
    (*this)(node.first);
    for (const auto& each : node.rest) (*this)(each.second);
  }
  void of(const ConcatExpr& node) {
    for (const ExprPtr& each : node.parts) (*this)(each);
  }
  void of(const ConditionalExpr& node) {
    (*this)(node.test), (*this)(node.then), (*this)(node.otherwise);
  }
  void of(const AttributeExpr& node) { (*this)(node.object); }
  void of(const SubscriptExpr& node) { (*this)(node.object), (*this)(node.index); }
  void of(const SliceExpr& node) {
    (*this)(node.object), (*this)(node.start), (*this)(node.stop), (*this)(node.step);
  }
  void of(const CallExpr& node) { (*this)(node.callee), visit_arguments(node.arguments, *this); }
  void of(const FilterExpr& node) { (*this)(node.object), visit_arguments(node.arguments, *this); }
  void of(const TestExpr& node) { (*this)(node.object), visit_arguments(node.arguments, *this); }
};

}  // namespace

int children_height(const ExprNode& node) {
  HeightOf children;
  std::visit([&](const auto& each) { children.of(each); }, node);
  return children.height;
}

}  // namespace svtune::jinja
