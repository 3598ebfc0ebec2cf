// DistilBERT: BERT without types and pooler, under names of its own.
#include "models/families.h"
#include "models/families/encoder.h"

namespace svtune {

void parse_distilbert(ConfigReader& config, ArchSpec& spec) {
  EncoderOptions options = read_encoder(config, spec, "distilbert", "activation");
  spec.default_targets = {"q_lin", "v_lin"};
  options.norm.eps = 1e-12;  // no key of the configuration sets it
  options.blocks = "transformer.layer";
  options.names = {.query = "attention.q_lin",
                   .key = "attention.k_lin",
                   .value = "attention.v_lin",
                   .attention_output = "attention.out_lin",
                   .attention_norm = "sa_layer_norm",
                   .up = "ffn.lin1",
                   .down = "ffn.lin2",
                   .feed_forward_norm = "output_layer_norm"};
  options.head_dense = "pre_classifier";
  options.head_activation = HeadActivation::kRelu;
  options.masked_head = {
      .dense = "vocab_transform", .norm = "vocab_layer_norm", .output = "vocab_projector"};
  const double hidden = read_dropout(config, "dropout");
  const double head = read_dropout(config, "seq_classif_dropout");
  spec.dropout = {.embedding = hidden,
                  .attention_weights = read_dropout(config, "attention_dropout"),
                  .feed_forward_output = hidden,
                  .head_output = spec.task == HeadTask::kDocument ? head : hidden};
  spec.build = encoder(options);
}

}  // namespace svtune
