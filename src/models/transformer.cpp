#include "models/transformer.h"

#include <utility>

#include "libtorch/prelude.h"
#include "models/recompute.h"
#include "models/rope.h"
#include "nn/ops/attention.h"
#include "nn/ops/cross_entropy.h"
#include "nn/ops/decode.h"
#include "nn/ops/rowwise.h"

namespace svtune {

struct Transformer::Pass {
  const std::vector<std::int32_t>& offsets;
  RopeTables rope;
  KvCache* cache;
};

namespace {

Linear load_linear(const WeightLoader& load, const std::string& name, std::int64_t out,
                   std::int64_t in, bool bias) {
  const std::string weight_name = name + ".weight";
  BaseWeight weight;
  if (load.matrix) {
    weight = load.matrix(weight_name, out, in);
  } else if (at::Tensor dense = load.tensor(weight_name, {out, in}); dense.defined()) {
    weight = BaseWeight(std::move(dense));
  }
  at::Tensor bias_values = bias ? load.tensor(name + ".bias", {out}) : at::Tensor();
  // The loader has noted what is missing and fails at its end; any matrix will do until then.
  if (!weight.defined()) weight = BaseWeight(at::empty({out, in}));
  return Linear(name, std::move(weight), std::move(bias_values));
}

}  // namespace

Transformer::Transformer(ArchSpec spec, const WeightLoader& load) : spec_(std::move(spec)) {
  embedding_ = load.tensor("model.embed_tokens.weight", {spec_.vocab_size, spec_.hidden_size});
  for (std::int64_t i = 0; i < spec_.num_layers; ++i) blocks_.push_back(make_block(i, load));
  final_norm_ = load.tensor("model.norm.weight", {spec_.hidden_size});
  if (spec_.tied_head && embedding_.defined()) {
    head_ = Linear("lm_head", BaseWeight(embedding_));
  } else {
    head_ = load_linear(load, "lm_head", spec_.vocab_size, spec_.hidden_size, false);
  }
  if (embedding_.defined()) dtype_ = embedding_.scalar_type();
}

Transformer::Block Transformer::make_block(std::int64_t index, const WeightLoader& load) const {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const std::int64_t hidden = spec_.hidden_size, inner = spec_.intermediate_size;
  const std::int64_t heads = spec_.num_heads * spec_.head_dim;
  const std::int64_t kv_heads = spec_.num_kv_heads * spec_.head_dim;
  const auto norm = [&](const char* name, std::int64_t width) {
    return load.tensor(prefix + name + ".weight", {width});
  };
  const auto linear = [&](const char* name, std::int64_t out, std::int64_t in, bool bias) {
    return load_linear(load, prefix + name, out, in, bias);
  };
  Block block;
  block.window = spec_.windows[static_cast<std::size_t>(index)];
  block.input_norm = norm("input_layernorm", hidden);
  block.query = linear("self_attn.q_proj", heads, hidden, spec_.query_key_value_bias);
  block.key = linear("self_attn.k_proj", kv_heads, hidden, spec_.query_key_value_bias);
  block.value = linear("self_attn.v_proj", kv_heads, hidden, spec_.query_key_value_bias);
  block.output = linear("self_attn.o_proj", hidden, heads, spec_.output_bias);
  if (spec_.query_key_norm) {
    block.query_norm = norm("self_attn.q_norm", spec_.head_dim);
    block.key_norm = norm("self_attn.k_norm", spec_.head_dim);
  }
  block.post_attention_norm = norm("post_attention_layernorm", hidden);
  if (spec_.sandwich_norms) {
    block.pre_feedforward_norm = norm("pre_feedforward_layernorm", hidden);
    block.post_feedforward_norm = norm("post_feedforward_layernorm", hidden);
  }
  block.gate = linear("mlp.gate_proj", inner, hidden, spec_.mlp_bias);
  block.up = linear("mlp.up_proj", inner, hidden, spec_.mlp_bias);
  block.down = linear("mlp.down_proj", hidden, inner, spec_.mlp_bias);
  return block;
}

at::Tensor Transformer::embed(const at::Tensor& tokens) {
  at::Tensor x = at::embedding(embedding_, tokens).to(dtype_);
  if (!spec_.scale_embedding) return x;
  // The factor is rounded to the weights' dtype, as the family's reference does.
  const at::Tensor scale =
      at::scalar_tensor(std::sqrt(static_cast<double>(spec_.hidden_size)), x.options());
  return x * scale;
}

at::Tensor Transformer::forward(const Batch& batch, KvCache* cache) {
  at::Tensor x = embed(batch.tokens);
  const Pass pass{batch.offsets, rope_tables(spec_.rope, spec_.head_dim, batch.positions), cache};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (recompute_ == Recompute::kFull && at::GradMode::is_enabled()) {
      x = recomputed(x, [this, i, pass](const at::Tensor& input) {
        return run_block(blocks_[i], i, input, pass);
      });
    } else {
      x = run_block(blocks_[i], i, x, pass);
    }
  }
  if (cache != nullptr) {
    for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
      cache->advance(static_cast<std::int64_t>(s), batch.offsets[s + 1] - batch.offsets[s]);
    }
  }
  return x;
}

at::Tensor Transformer::run_block(Block& block, std::size_t index, const at::Tensor& x,
                                  const Pass& pass) {
  at::Tensor branch = attend(block, index, rms_norm(x, block.input_norm, spec_.norm), pass);
  if (spec_.sandwich_norms) branch = rms_norm(branch, block.post_attention_norm, spec_.norm);
  const at::Tensor middle = x + branch;
  const at::Tensor& second =
      spec_.sandwich_norms ? block.pre_feedforward_norm : block.post_attention_norm;
  branch = feed_forward(block, rms_norm(middle, second, spec_.norm));
  if (spec_.sandwich_norms) branch = rms_norm(branch, block.post_feedforward_norm, spec_.norm);
  return middle + branch;
}

at::Tensor Transformer::attend(Block& block, std::size_t index, const at::Tensor& x,
                               const Pass& pass) {
  const std::int64_t tokens = x.size(0);
  at::Tensor q = block.query.forward(x).view({tokens, spec_.num_heads, spec_.head_dim});
  at::Tensor k = block.key.forward(x).view({tokens, spec_.num_kv_heads, spec_.head_dim});
  const at::Tensor v = block.value.forward(x).view({tokens, spec_.num_kv_heads, spec_.head_dim});
  if (spec_.query_key_norm) {
    q = rms_norm(q, block.query_norm, spec_.norm);
    k = rms_norm(k, block.key_norm, spec_.norm);
  }
  q = rope(q, pass.rope.cos, pass.rope.sin);
  k = rope(k, pass.rope.cos, pass.rope.sin);
  const AttentionSpec attention{spec_.attention_scale, spec_.attention_softcap, block.window};
  at::Tensor out;
  if (pass.cache == nullptr) {
    out = attention_packed(q, k, v, pass.offsets, attention);
  } else {
    out = attend_cached(index, q, k, v, pass, attention);
  }
  return block.output.forward(out.view({tokens, spec_.num_heads * spec_.head_dim}));
}

at::Tensor Transformer::attend_cached(std::size_t index, const at::Tensor& q, const at::Tensor& k,
                                      const at::Tensor& v, const Pass& pass,
                                      const AttentionSpec& attention) {
  std::vector<KvCache::View> stored;
  const std::size_t sequences = pass.offsets.size() - 1;
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int64_t begin = pass.offsets[s], count = pass.offsets[s + 1] - begin;
    stored.push_back(pass.cache->append(static_cast<std::int64_t>(index),
                                        static_cast<std::int64_t>(s), k.narrow(0, begin, count),
                                        v.narrow(0, begin, count)));
  }
  if (static_cast<std::size_t>(q.size(0)) == sequences) {
    return attention_decode(q, stored, attention);
  }
  std::vector<at::Tensor> parts;
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int64_t begin = pass.offsets[s], count = pass.offsets[s + 1] - begin;
    parts.push_back(attention_cached(q.narrow(0, begin, count), stored[s].keys, stored[s].values,
                                     pass.cache->length(static_cast<std::int64_t>(s)), attention));
  }
  return at::cat(parts, 0);
}

at::Tensor Transformer::feed_forward(Block& block, const at::Tensor& x) {
  return block.down.forward(glu(block.gate.forward(x), block.up.forward(x), spec_.activation));
}

at::Tensor Transformer::head_weight() const {
  if (head_.adapter() != nullptr) return head_.adapter()->plain_weight();
  return head_is_tied() ? embedding_ : head_.base().dense();
}

at::Tensor Transformer::logits(const at::Tensor& rows) {
  const at::Tensor normed = rms_norm(rows, final_norm_, spec_.norm);
  at::Tensor out;
  if (head_.adapter() != nullptr) {
    out = head_.forward(normed);
  } else {
    out = at::linear(normed, head_weight().to(normed.scalar_type()));
  }
  if (out.scalar_type() != at::kDouble) out = out.to(at::kFloat);
  return cap_logits(out, {spec_.logit_softcap});
}

at::Tensor Transformer::loss(const Batch& batch) {
  const at::Tensor rows = forward(batch).index_select(0, batch.supervised);
  const at::Tensor weight = head_weight();
  if (!weight.defined()) {
    const at::Tensor log_probs = at::log_softmax(logits(rows), -1);
    return log_probs.gather(1, batch.targets.unsqueeze(1)).sum().neg();
  }
  return cross_entropy_tiled(rms_norm(rows, final_norm_, spec_.norm), weight, batch.targets,
                             {spec_.logit_softcap});
}

at::Tensor Transformer::log_probs(const Batch& batch) {
  const at::NoGradGuard no_grad;
  const at::Tensor rows = forward(batch).index_select(0, batch.supervised);
  const at::Tensor weight = head_weight();
  if (!weight.defined()) {
    return at::log_softmax(logits(rows), -1).gather(1, batch.targets.unsqueeze(1)).squeeze(1);
  }
  return target_log_probs(rms_norm(rows, final_norm_, spec_.norm), weight, batch.targets,
                          {spec_.logit_softcap});
}

std::vector<Linear*> Transformer::linears() {
  std::vector<Linear*> list;
  for (Block& block : blocks_) {
    for (Linear* each : {&block.query, &block.key, &block.value, &block.output, &block.gate,
                         &block.up, &block.down}) {
      list.push_back(each);
    }
  }
  list.push_back(&head_);
  return list;
}

std::vector<NamedParameter> Transformer::parameters() {
  std::vector<NamedParameter> list;
  const auto add = [&](const std::string& name, at::Tensor& tensor) {
    if (tensor.defined()) list.push_back({name, &tensor});
  };
  add("model.embed_tokens.weight", embedding_);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    const std::string prefix = "model.layers." + std::to_string(i) + ".";
    add(prefix + "input_layernorm.weight", block.input_norm);
    for (Linear* each : {&block.query, &block.key, &block.value, &block.output}) {
      add(each->name() + ".bias", each->bias());
    }
    add(prefix + "self_attn.q_norm.weight", block.query_norm);
    add(prefix + "self_attn.k_norm.weight", block.key_norm);
    add(prefix + "post_attention_layernorm.weight", block.post_attention_norm);
    add(prefix + "pre_feedforward_layernorm.weight", block.pre_feedforward_norm);
    add(prefix + "post_feedforward_layernorm.weight", block.post_feedforward_norm);
    for (Linear* each : {&block.gate, &block.up, &block.down}) {
      add(each->name() + ".bias", each->bias());
    }
  }
  add("model.norm.weight", final_norm_);
  return list;
}

}  // namespace svtune
