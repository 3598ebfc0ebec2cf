// What the encoder families share: learned input tables, blocks with the norm behind each branch,
// heads of labels and of hidden words. A family says what is special about it as data. ModernBERT
// has other blocks and only reads its tasks alike.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "models/network.h"

namespace svtune {

// Module names of a block, below its path.
struct EncoderNames {
  std::string query, key, value, attention_output, attention_norm;
  std::string up, down, feed_forward_norm;
};

// BERT's, and those of all that were made from its code.
EncoderNames bert_names();

// Layers of the head that finds hidden words: paths from the root of the network. The output's
// matrix is the embedding's.
struct MaskedHeadNames {
  std::string dense, norm, output;
};

// BERT's.
MaskedHeadNames masked_head_names();

struct EncoderOptions {
  std::string root;  // "bert"
  std::string blocks = "encoder.layer";
  EncoderNames names = bert_names();
  LayerNormSpec norm;
  Activation activation = Activation::kGelu;
  std::int64_t positions = 0;                     // rows of the learned table; 0: none
  std::int64_t first_position = 0;                // row of a document's first token
  std::int64_t token_types = 0;                   // rows of the table of types; 0: none
  std::optional<DisentangledSpec> relative = {};  // attention by distances
  bool relative_norm = false;                     // of the table of distances
  std::int64_t convolution_taps = 0;              // of Backbone::input_convolution; 0: none
  bool convolution_gelu = false;
  // Of documents: paths from the root of the network.
  std::string head_dense, head_output = "classifier";
  HeadActivation head_activation = HeadActivation::kTanh;
  MaskedHeadNames masked_head = masked_head_names();
  std::optional<Activation> masked_activation = {};  // unset: that of the blocks
};

// The builder of such an encoder with the head that spec.task says.
std::function<NetworkParts(const ArchSpec&, const Builder&)> encoder(EncoderOptions options);

// Reads what all encoders have alike: names, task and labels, norms, activation, learned tables.
// `act_key` is the activation's key.
EncoderOptions read_encoder(ConfigReader& config, ArchSpec& spec, const std::string& root,
                            const std::string& act_key = "hidden_act");

// The head that the file's class of transformers has: the task, its labels, whether an output of
// words is tied. Problems with other classes, with decoders and with heads that do not divide the
// hidden size.
void read_encoder_task(ConfigReader& config, ArchSpec& spec);
// The labels of a head, as transformers counts them; spec.task is known already.
void read_labels(ConfigReader& config, ArchSpec& spec);
Activation read_activation(ConfigReader& config, const std::string& key);
// What transformers' class of the model is called, for a head that `ends` name; a problem where
// none of them fits. The place in `ends`.
std::size_t read_head_class(ConfigReader& config, const std::vector<std::string>& ends);
// Of heads that find hidden words: files may hold the bias of the layer `output` under the name
// `stored`, as transformers knows it by both.
void share_output_bias(ArchSpec& spec, const std::string& output, const std::string& stored);
// Problems with heads that do not divide the hidden size.
void check_heads(ConfigReader& config, const ArchSpec& spec);

}  // namespace svtune
