// The feed-forward part of a block: gated, plain, or a mixture of experts.
#pragma once

#include <variant>
#include <vector>

#include "models/footprint.h"
#include "nn/ops/rowwise.h"
#include "nn/parts.h"

namespace svtune {

// down(act(gate(x)) * up(x)).
struct GatedMlp {
  Linear gate, up, down;
  Activation activation = Activation::kSilu;
  PlainModule activation_module = {};

  at::Tensor forward(const at::Tensor& x);
  void parts(PartVisitor& visit);
  Kept kept() const { return {2 * gate.out_features(), 0}; }
  std::vector<SharedInput> inputs() const { return {{{&gate, &up}}, {{&down}}}; }
  std::int64_t inner() const { return gate.out_features(); }
};

// down(act(up(x))).
struct Mlp {
  Linear up, down;
  Activation activation = Activation::kGelu;
  PlainModule activation_module = {};

  at::Tensor forward(const at::Tensor& x);
  void parts(PartVisitor& visit);
  Kept kept() const { return {up.out_features(), 0}; }
  std::vector<SharedInput> inputs() const { return {{{&up}}, {{&down}}}; }
  std::int64_t inner() const { return up.out_features(); }
};

using FeedForward = std::variant<GatedMlp, Mlp>;

}  // namespace svtune
