// The decoder of every supported family, built from an ArchSpec: packed tokens in, hidden
// states, losses or logits out. It knows Linear and never an adaptation method.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/arch_spec.h"
#include "nn/batch.h"
#include "nn/kv_cache.h"
#include "nn/linear.h"
#include "nn/ops/attention.h"

namespace svtune {

// Gives the weights by their checkpoint names in the compute dtype, or undefined ones after
// noting the problem; shapes are what the architecture needs.
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
};

// What backward keeps of a block's forward pass.
enum class Recompute {
  kNone,  // everything the gradients need
  kFull,  // the block's input only; the block runs again in backward
};

// A tensor of the model that is not the matrix of a Linear: norms, biases, the embedding.
// Training replaces the tensor behind the pointer by an fp32 leaf.
struct NamedParameter {
  std::string name;  // checkpoint name, e.g. "model.norm.weight"
  at::Tensor* tensor;
};

class Transformer {
 public:
  Transformer(ArchSpec spec, const WeightLoader& load);
  Transformer(const Transformer&) = delete;
  Transformer& operator=(const Transformer&) = delete;

  const ArchSpec& spec() const { return spec_; }
  at::ScalarType dtype() const { return dtype_; }

  // Hidden states [N, hidden] before the final norm. With a cache, document s continues
  // sequence s of the cache, and batch.positions must go on from its length.
  at::Tensor forward(const Batch& batch, KvCache* cache = nullptr);
  // Final norm and output head on chosen rows [M, hidden] -> logits [M, vocab] in fp32
  // (fp64 for fp64).
  at::Tensor logits(const at::Tensor& rows);
  // Sum of the negative log likelihoods of batch.targets; scalar, differentiable.
  at::Tensor loss(const Batch& batch);
  // log p(target) per supervised row [M], fp32, no gradient.
  at::Tensor log_probs(const Batch& batch);

  // All linear layers in checkpoint order, the output head last (also when it is tied).
  std::vector<Linear*> linears();
  std::vector<NamedParameter> parameters();
  Linear& head() { return head_; }
  at::Tensor& embedding() { return embedding_; }
  // Whether the head reads the embedding's tensor.
  bool head_is_tied() const { return spec_.tied_head && !untied_; }
  // Gives the head its own copy, so that one of the two can be trained alone.
  void untie_head() { untied_ = true; }

  void set_recompute(Recompute policy) { recompute_ = policy; }

 private:
  struct Block {
    at::Tensor input_norm, post_attention_norm;
    at::Tensor pre_feedforward_norm, post_feedforward_norm;  // Gemma 2
    at::Tensor query_norm, key_norm;                         // Qwen 3
    Linear query, key, value, output, gate, up, down;
    std::int64_t window = 0;  // tokens
  };
  struct Pass;  // what all blocks of one forward pass share

  Block make_block(std::int64_t index, const WeightLoader& load) const;
  at::Tensor embed(const at::Tensor& tokens);
  at::Tensor run_block(Block& block, std::size_t index, const at::Tensor& x, const Pass& pass);
  at::Tensor attend(Block& block, std::size_t index, const at::Tensor& x, const Pass& pass);
  at::Tensor attend_cached(std::size_t index, const at::Tensor& q, const at::Tensor& k,
                           const at::Tensor& v, const Pass& pass, const AttentionSpec& attention);
  at::Tensor feed_forward(Block& block, const at::Tensor& x);
  at::Tensor head_weight() const;

  ArchSpec spec_;
  at::ScalarType dtype_ = at::kFloat;
  at::Tensor embedding_;  // [vocab, hidden]
  std::vector<Block> blocks_;
  at::Tensor final_norm_;
  Linear head_;
  bool untied_ = false;
  Recompute recompute_ = Recompute::kNone;
};

}  // namespace svtune
