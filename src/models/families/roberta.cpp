// RoBERTa and XLM-RoBERTa: BERT whose positions begin behind the padding's id, with a head of two
// layers instead of a pooler.
#include "models/families.h"
#include "models/families/encoder.h"

namespace svtune {

void parse_roberta(ConfigReader& config, ArchSpec& spec) {
  EncoderOptions options = read_encoder(config, spec, "roberta");
  options.token_types = config.integer_or("type_vocab_size", 2);
  options.first_position = config.integer_or_zero("pad_token_id", 1) + 1;
  spec.max_positions -= options.first_position;
  if (spec.max_positions < 1) {
    config.problem("max_position_embeddings leaves no position behind pad_token_id");
  }
  if (spec.task == HeadTask::kDocument) spec.dropout.head_input = spec.dropout.head_output;
  options.head_dense = "classifier.dense";
  options.head_output = "classifier.out_proj";
  options.masked_head = {
      .dense = "lm_head.dense", .norm = "lm_head.layer_norm", .output = "lm_head.decoder"};
  options.masked_activation = Activation::kGelu;  // whatever that of the blocks is
  share_output_bias(spec, options.masked_head.output, "lm_head.bias");
  spec.build = encoder(options);
}

}  // namespace svtune
