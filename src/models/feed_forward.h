// The feed-forward part of a block: gated, plain, or a mixture of experts. The dropout that
// `forward` takes is of the rows that the last layer reads.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "models/footprint.h"
#include "nn/ops/dropout.h"
#include "nn/ops/rowwise.h"
#include "nn/parts.h"

namespace svtune {

// down(act(gate(x)) * up(x)).
struct GatedMlp {
  Linear gate, up, down;
  Activation activation = Activation::kSilu;
  PlainModule activation_module = {};

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout = {});
  void parts(PartVisitor& visit);
  Kept kept() const { return {2 * gate.out_features(), 0}; }
  std::vector<SharedInput> inputs() const { return {{{&gate, &up}}, {{&down}}}; }
  std::int64_t inner() const { return gate.out_features(); }
};

// The same with the rows of gate and up in one matrix, the gate's first.
struct FusedGatedMlp {
  Linear gate_up, down;
  Activation activation = Activation::kSilu;
  PlainModule activation_module = {};

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout = {});
  void parts(PartVisitor& visit);
  Kept kept() const { return {2 * inner(), 0}; }
  std::vector<SharedInput> inputs() const { return {{{&gate_up}}, {{&down}}}; }
  std::int64_t inner() const { return down.in_features(); }
};

// down(act(up(x))).
struct Mlp {
  Linear up, down;
  Activation activation = Activation::kGelu;
  PlainModule activation_module = {};

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout = {});
  void parts(PartVisitor& visit);
  Kept kept() const { return {up.out_features(), 0}; }
  std::vector<SharedInput> inputs() const { return {{{&up}}, {{&down}}}; }
  std::int64_t inner() const { return up.out_features(); }
};

// Each row goes to the few experts that the router rates best for it; their outputs are summed
// with weights that sum to one. Source: Mixtral of Experts, arXiv 2401.04088, section 2.1.
struct Mixture {
  // Every row goes to it, and its output counts by sigmoid(gate(x)).
  struct SharedExpert {
    GatedMlp mlp;
    Linear gate;  // [1, hidden]
  };

  Linear router;  // [experts, hidden]
  std::vector<GatedMlp> experts;
  std::int64_t experts_per_token = 2;
  bool sums_to_one = true;  // else the weights are their shares among all experts
  std::optional<SharedExpert> shared = {};

  at::Tensor forward(const at::Tensor& x, const Dropout& dropout = {});
  void parts(PartVisitor& visit);
  Kept kept() const;
  std::vector<SharedInput> inputs() const;
  std::int64_t inner() const;

 private:
  at::Tensor routed(const at::Tensor& x, const Dropout& dropout);
};

using FeedForward = std::variant<GatedMlp, FusedGatedMlp, Mlp, Mixture>;

}  // namespace svtune
