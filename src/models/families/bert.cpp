// BERT, and models of its shape (MiniLM, BGE, E5): learned positions and types, norms behind the
// branches, a pooler with tanh over the first token.
#include "models/families.h"
#include "models/families/encoder.h"

namespace svtune {

void parse_bert(ConfigReader& config, ArchSpec& spec) {
  EncoderOptions options = read_encoder(config, spec, "bert");
  options.token_types = config.integer_or("type_vocab_size", 2);
  share_output_bias(spec, options.masked_head.output, "cls.predictions.bias");
  spec.build = encoder(options);
}

}  // namespace svtune
