// Makes the leaves of a network from a checkpoint, under the names that a family gives them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nn/parts.h"

namespace svtune {

// Gives the weights by their checkpoint names in the compute dtype, matrices also in a narrower
// one, or undefined ones after noting the problem; shapes are what the architecture needs.
struct WeightLoader {
  using Tensors =
      std::function<at::Tensor(const std::string& name, const std::vector<std::int64_t>& shape)>;
  using Matrices =
      std::function<BaseWeight(const std::string& name, std::int64_t out, std::int64_t in)>;

  // Without `matrices`, those of linear layers are dense and come from `tensors`.
  template <class F>
  WeightLoader(F tensors, Matrices matrices = {})  // NOLINT: a lambda is a loader
      : tensor(std::move(tensors)), matrix(std::move(matrices)) {}

  Tensors tensor;
  Matrices matrix;
  // Of the products, where matrices may be stored in a narrower dtype. Absent: the matrices' own.
  std::optional<at::ScalarType> compute{};
  // Whether the checkpoint holds both tensors, with different values. Absent: never.
  std::function<bool(const std::string& name, const std::string& other)> differs;
};

class Builder {
 public:
  explicit Builder(const WeightLoader& load) : load_(load) {}

  // The builder for modules below `path`, e.g. "model.layers.0".
  Builder at(const std::string& path) const { return {load_, prefix_ + path + "."}; }

  Linear linear(const std::string& path, std::int64_t out, std::int64_t in,
                bool bias = false) const;
  Norm rms_norm(const std::string& path, std::int64_t width, RmsNormSpec spec) const;
  Norm layer_norm(const std::string& path, std::int64_t width, LayerNormSpec spec) const;
  Embedding embedding(const std::string& path, std::int64_t rows, std::int64_t width) const;
  // `path` is the tensor's own, e.g. "cls_token".
  FreeTensor tensor(const std::string& path, const std::vector<std::int64_t>& shape) const;
  Convolution convolution(const std::string& path, std::int64_t width, std::int64_t taps) const;
  PlainModule module(const std::string& path) const { return {prefix_ + path}; }
  // A linear layer whose matrix is the embedding's, unless the checkpoint holds another one under
  // its name.
  Linear tied(const std::string& path, const Embedding& table, bool bias = false) const;

 private:
  Builder(const WeightLoader& load, std::string prefix) : load_(load), prefix_(std::move(prefix)) {}

  const WeightLoader& load_;
  std::string prefix_;
};

}  // namespace svtune
