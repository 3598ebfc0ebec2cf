// A table of rows that are looked up by index.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "nn/token_rows.h"

namespace svtune {

class Embedding {
 public:
  Embedding() = default;  // none: a table that a family leaves out
  // `name` is the checkpoint's module path, e.g. "model.embed_tokens"; weight [rows, width].
  Embedding(std::string name, at::Tensor weight);

  bool exists() const { return !name_.empty(); }
  // [N] int64 -> [N, width], the weight's dtype
  at::Tensor forward(const at::Tensor& ids) const;

  const std::string& name() const { return name_; }
  at::Tensor& weight() { return weight_; }
  const at::Tensor& weight() const { return weight_; }
  // Rows that train apart from the weight; none at first.
  TokenRows& rows() { return rows_; }
  const TokenRows& rows() const { return rows_; }

 private:
  std::string name_;
  at::Tensor weight_;
  TokenRows rows_;
};

}  // namespace svtune
