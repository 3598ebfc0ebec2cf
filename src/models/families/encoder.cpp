#include "models/families/encoder.h"

#include <cmath>
#include <utility>

#include "libtorch/prelude.h"
#include "models/families.h"
#include "models/families/decoder.h"

namespace svtune {
namespace {

template <class AttentionPart>
AttentionPart make_attention(const ArchSpec& spec, const EncoderNames& names, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size;
  AttentionPart attention;
  Projections projections;
  projections.query = at.linear(names.query, hidden, hidden, true);
  projections.key = at.linear(names.key, hidden, hidden, true);
  projections.value = at.linear(names.value, hidden, hidden, true);
  attention.project = std::move(projections);
  attention.output = at.linear(names.attention_output, hidden, hidden, true);
  attention.heads = {spec.num_heads, spec.num_heads, spec.head_dim};
  return attention;
}

Block make_block(const ArchSpec& spec, const EncoderOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size, inner = spec.intermediate_size;
  const EncoderNames& names = options.names;
  Block block;
  block.order = BlockOrder::kPostNorm;
  if (options.relative) {
    auto attention = make_attention<DisentangledAttention>(spec, names, at);
    attention.spec = *options.relative;
    block.attention = std::move(attention);
  } else {
    auto attention = make_attention<Attention>(spec, names, at);
    attention.spec.scale = 1.0 / std::sqrt(static_cast<double>(spec.head_dim));
    attention.spec.causal = false;
    attention.rotation.reset();
    block.attention = std::move(attention);
  }
  block.attention_norm = at.layer_norm(names.attention_norm, hidden, options.norm);
  Mlp mlp;
  mlp.up = at.linear(names.up, inner, hidden, true);
  mlp.down = at.linear(names.down, hidden, inner, true);
  mlp.activation = options.activation;
  block.feed_forward = std::move(mlp);
  block.feed_forward_norm = at.layer_norm(names.feed_forward_norm, hidden, options.norm);
  return block;
}

Backbone make_backbone(const ArchSpec& spec, const EncoderOptions& options, const Builder& at) {
  const std::int64_t hidden = spec.hidden_size;
  Backbone backbone;
  const Builder tables = at.at("embeddings");
  backbone.embedding = tables.embedding("word_embeddings", spec.vocab_size, hidden);
  if (options.positions > 0) {
    backbone.position_embedding =
        tables.embedding("position_embeddings", options.positions, hidden);
    backbone.first_position = options.first_position;
  }
  if (options.token_types > 0) {
    backbone.type_embedding =
        tables.embedding("token_type_embeddings", options.token_types, hidden);
  }
  backbone.embedding_norm = tables.layer_norm("LayerNorm", hidden, options.norm);
  for (std::int64_t i = 0; i < spec.num_layers; ++i) {
    const Builder block = at.at(options.blocks + "." + std::to_string(i));
    backbone.blocks.push_back(make_block(spec, options, block));
  }
  if (options.relative) {
    const Builder distances = at.at("encoder");
    backbone.relative.table =
        distances.embedding("rel_embeddings", 2 * options.relative->span(), hidden);
    if (options.relative_norm) {
      backbone.relative.norm = distances.layer_norm("LayerNorm", hidden, options.norm);
    }
  }
  if (options.convolution_taps > 0) {
    const Builder convolution = at.at("encoder.conv");
    backbone.input_convolution = {convolution.convolution("conv", hidden, options.convolution_taps),
                                  convolution.layer_norm("LayerNorm", hidden, options.norm),
                                  options.convolution_gelu};
  }
  return backbone;
}

LanguageHead make_masked_head(const ArchSpec& spec, const EncoderOptions& options,
                              const Builder& root, const Embedding& words) {
  const std::int64_t hidden = spec.hidden_size;
  const MaskedHeadNames& names = options.masked_head;
  RowTransform transform;
  transform.dense = root.linear(names.dense, hidden, hidden, true);
  transform.activation = options.masked_activation.value_or(options.activation);
  transform.norm = root.layer_norm(names.norm, hidden, options.norm);
  LanguageHead head;
  head.transform = std::move(transform);
  head.output = spec.tied_head ? root.tied(names.output, words, true)
                               : root.linear(names.output, spec.vocab_size, hidden, true);
  return head;
}

NetworkParts make_encoder(const ArchSpec& spec, const EncoderOptions& options,
                          const Builder& root) {
  const std::int64_t hidden = spec.hidden_size, labels = spec.num_labels;
  NetworkParts parts;
  parts.backbone = make_backbone(spec, options, root.at(options.root));
  if (spec.task == HeadTask::kMasked) {
    parts.head = make_masked_head(spec, options, root, parts.backbone.embedding);
    return parts;
  }
  if (spec.task == HeadTask::kToken) {
    parts.head = TokenHead{root.linear("classifier", labels, hidden, true)};
    return parts;
  }
  DocumentHead head;
  head.dense = root.linear(options.head_dense, hidden, hidden, true);
  head.output = root.linear(options.head_output, labels, hidden, true);
  head.activation = options.head_activation;
  parts.head = std::move(head);
  return parts;
}

void refuse_decoders(ConfigReader& config) {
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    if (config.boolean_or(key, false)) {
      config.problem("\"" + std::string(key) + "\" is not supported for this family");
    }
  }
  const std::string kind = config.text_or("position_embedding_type", "absolute");
  if (kind != "absolute") {
    config.problem("\"position_embedding_type\" = \"" + kind + "\" is not supported (absolute is)");
  }
}

}  // namespace

EncoderNames bert_names() {
  return {.query = "attention.self.query",
          .key = "attention.self.key",
          .value = "attention.self.value",
          .attention_output = "attention.output.dense",
          .attention_norm = "attention.output.LayerNorm",
          .up = "intermediate.dense",
          .down = "output.dense",
          .feed_forward_norm = "output.LayerNorm"};
}

MaskedHeadNames masked_head_names() {
  return {.dense = "cls.predictions.transform.dense",
          .norm = "cls.predictions.transform.LayerNorm",
          .output = "cls.predictions.decoder"};
}

std::function<NetworkParts(const ArchSpec&, const Builder&)> encoder(EncoderOptions options) {
  return [options = std::move(options)](const ArchSpec& spec, const Builder& root) {
    return make_encoder(spec, options, root);
  };
}

// id2label, as transformers counts them; it writes nothing for two of no name.
void read_labels(ConfigReader& config, ArchSpec& spec) {
  const Json* names = config.find("id2label");
  spec.num_labels = config.integer_or("num_labels", 2);
  if (names != nullptr && names->is_object() && !names->empty()) {
    spec.num_labels = static_cast<std::int64_t>(names->size());
  }
  const std::string kind = config.text_or("problem_type", "");
  const bool number = spec.task == HeadTask::kDocument && spec.num_labels == 1;
  const char* fitting = number ? "regression" : "single_label_classification";
  if (kind.empty() || kind == fitting) return;
  config.problem("\"problem_type\" = \"" + kind + "\" is not supported with " +
                 std::to_string(spec.num_labels) + " labels (" + fitting + " is)");
}

Activation read_activation(ConfigReader& config, const std::string& key) {
  require_activation(config, key,
                     {"gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "silu", "quick_gelu"});
  const std::string name = config.text_or(key, "gelu");
  if (name == "gelu") return Activation::kGelu;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  return name == "silu" ? Activation::kSilu : Activation::kGeluTanh;
}

std::size_t read_head_class(ConfigReader& config, const std::vector<std::string>& ends) {
  const Json* list = config.find("architectures");
  std::string name;
  if (list != nullptr && list->is_array() && !list->empty() && list->front().is_string()) {
    name = list->front().get<std::string>();
  }
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (name.ends_with(ends[i])) return i;
  }
  config.problem(
      (name.empty() ? "\"architectures\" is missing" : name + " has no head of labels") +
      ": training with --task classify, regress, tag or mask makes one, and the adapter of "
      "such a run brings it along");
  return 0;
}

void share_output_bias(ArchSpec& spec, const std::string& output, const std::string& stored) {
  if (spec.task != HeadTask::kMasked) return;
  spec.old_names.push_back({output + ".bias", stored});
  // Of files that hold both, the layer's own counts.
  spec.buffers.push_back(stored);
}

void check_heads(ConfigReader& config, const ArchSpec& spec) {
  if (spec.hidden_size % spec.num_heads == 0) return;
  config.problem("the hidden size " + std::to_string(spec.hidden_size) + " is not a multiple of " +
                 std::to_string(spec.num_heads) + " heads");
}

void read_encoder_task(ConfigReader& config, ArchSpec& spec) {
  check_heads(config, spec);
  // Of a model for pretraining the head that tells following sentences is not used.
  constexpr HeadTask kTasks[] = {HeadTask::kDocument, HeadTask::kToken, HeadTask::kMasked,
                                 HeadTask::kMasked};
  spec.task = kTasks[read_head_class(config, {"ForSequenceClassification", "ForTokenClassification",
                                              "ForMaskedLM", "ForPreTraining"})];
  const bool masked = spec.task == HeadTask::kMasked;
  spec.tied_head = masked && config.boolean_or("tie_word_embeddings", true);
  if (!masked) read_labels(config, spec);
  refuse_decoders(config);
}

EncoderOptions read_encoder(ConfigReader& config, ArchSpec& spec, const std::string& root,
                            const std::string& act_key) {
  spec.base_prefix = root + ".";
  spec.default_targets = {"query", "value"};
  spec.buffers = {"embeddings.position_ids", "embeddings.token_type_ids"};
  spec.old_names = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
  spec.rotary = false;
  spec.max_positions = config.integer_or("max_position_embeddings", 512);
  read_encoder_task(config, spec);
  EncoderOptions options;
  options.root = root;
  options.norm.eps = config.number_or("layer_norm_eps", 1e-12);
  options.activation = read_activation(config, act_key);
  options.positions = spec.max_positions;
  options.head_dense = root + ".pooler.dense";
  const double hidden = read_dropout(config, "hidden_dropout_prob");
  spec.dropout = {.embedding = hidden,
                  .attention_weights = read_dropout(config, "attention_probs_dropout_prob"),
                  .attention_output = hidden,
                  .feed_forward_output = hidden,
                  .head_output = read_dropout(config, "classifier_dropout", hidden)};
  return options;
}

}  // namespace svtune
