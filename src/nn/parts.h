// Every tensor of a network is declared once, by the part that computes with it:
//
//   struct GatedMlp {
//     Linear gate, up, down;
//     at::Tensor forward(const at::Tensor& x);
//     void parts(PartVisitor& visit) { visit(gate); visit(up); visit(down); }
//   };
//
// Leaves are Linear, Norm, Embedding, Convolution, tensors of no such layer and modules without
// tensors; each bears its checkpoint name.
// The lists of linear layers and parameters, the module tree that target names are matched
// against, merging and the memory forecast are visitors over that declaration.
#pragma once

#include <string>
#include <vector>

#include "nn/convolution.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace svtune {

// A module that only its name makes visible: an activation, the rotary angles.
struct PlainModule {
  std::string name;
};

// A tensor that no linear layer, norm or table holds: a class token, the scale of a branch.
struct FreeTensor {
  std::string name = {};  // of the tensor itself, below its module; empty: none
  at::Tensor tensor = {};

  bool exists() const { return !name.empty(); }
};

class PartVisitor {
 public:
  virtual ~PartVisitor() = default;
  virtual void operator()(Linear& layer) { (void)layer; }
  virtual void operator()(Norm& norm) { (void)norm; }
  virtual void operator()(Embedding& table) { (void)table; }
  virtual void operator()(FreeTensor& tensor) { (void)tensor; }
  virtual void operator()(Convolution& convolution) { (void)convolution; }
  virtual void operator()(const PlainModule& module) { (void)module; }
};

// A tensor of the network that is not the matrix of a Linear: norms, biases, embeddings, scales.
// Training replaces the tensor behind the pointer by an fp32 leaf.
struct NamedParameter {
  std::string name;  // checkpoint name, e.g. "model.norm.weight"
  at::Tensor* tensor;
};

// The lists of anything with parts(visit), in the order of its declaration.
template <class Part>
std::vector<Linear*> linears_of(Part& part) {
  struct Visitor final : PartVisitor {
    using PartVisitor::operator();
    void operator()(Linear& layer) override { list.push_back(&layer); }
    std::vector<Linear*> list;
  } visitor;
  part.parts(visitor);
  return std::move(visitor.list);
}

template <class Part>
std::vector<NamedParameter> parameters_of(Part& part) {
  struct Visitor final : PartVisitor {
    using PartVisitor::operator();
    void operator()(Linear& layer) override { add(layer.name() + ".bias", layer.bias()); }
    void operator()(Norm& norm) override {
      add(norm.name() + ".weight", norm.weight());
      add(norm.name() + ".bias", norm.bias());
    }
    void operator()(Embedding& table) override { add(table.name() + ".weight", table.weight()); }
    void operator()(FreeTensor& free) override { add(free.name, free.tensor); }
    void operator()(Convolution& convolution) override {
      add(convolution.name() + ".weight", convolution.weight());
      add(convolution.name() + ".bias", convolution.bias());
    }
    void add(const std::string& name, at::Tensor& tensor) {
      if (tensor.defined()) list.push_back({name, &tensor});
    }
    std::vector<NamedParameter> list;
  } visitor;
  part.parts(visitor);
  return std::move(visitor.list);
}

// Names of all leaves, modules without tensors included.
template <class Part>
std::vector<std::string> leaf_names_of(Part& part) {
  struct Visitor final : PartVisitor {
    void operator()(Linear& layer) override { add(layer.name()); }
    void operator()(Norm& norm) override { add(norm.name()); }
    void operator()(Embedding& table) override { add(table.name()); }
    void operator()(FreeTensor& free) override { add(free.name.substr(0, free.name.rfind('.'))); }
    void operator()(Convolution& convolution) override { add(convolution.name()); }
    void operator()(const PlainModule& module) override { add(module.name); }
    // Parts that a family leaves out have no name.
    void add(const std::string& name) {
      if (!name.empty()) list.push_back(name);
    }
    std::vector<std::string> list;
  } visitor;
  part.parts(visitor);
  return std::move(visitor.list);
}

}  // namespace svtune
