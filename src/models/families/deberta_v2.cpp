// DeBERTa V2 and V3: attention by contents and by distances in log buckets, which the layers'
// query and key project too; no absolute positions. The large ones of V2 add a convolution of the
// embedded tokens to the first layer's output.
#include <algorithm>

#include "base/text_util.h"
#include "models/families.h"
#include "models/families/encoder.h"

namespace svtune {
namespace {

// "p2c|c2p", or a list of such names.
std::vector<std::string> names_of_list(ConfigReader& config, const std::string& key) {
  const Json* value = config.find(key);
  std::vector<std::string> names;
  if (value != nullptr && value->is_string()) {
    const std::string text = to_lower_ascii(value->get<std::string>());
    for (const std::string_view part : split(text, '|')) names.emplace_back(trim(part));
  } else if (value != nullptr && value->is_array()) {
    for (const Json& each : *value) {
      if (each.is_string()) names.push_back(each.get<std::string>());
    }
  }
  std::ranges::sort(names);
  return names;
}

void require(ConfigReader& config, const std::string& key, bool wanted, bool fallback) {
  if (config.boolean_or(key, fallback) == wanted) return;
  config.problem("\"" + key + "\" must be " + (wanted ? "true" : "false") + " for this family");
}

DisentangledSpec read_distances(ConfigReader& config, const ArchSpec& spec) {
  require(config, "relative_attention", true, false);
  require(config, "share_att_key", true, false);
  require(config, "position_biased_input", false, true);
  if (names_of_list(config, "pos_att_type") != std::vector<std::string>{"c2p", "p2c"}) {
    config.problem("\"pos_att_type\" must be c2p and p2c");
  }
  // Numbers below one stand for none.
  const auto positive = [&](const char* key, std::int64_t otherwise) {
    const Json* value = config.find(key);
    const bool none =
        value == nullptr || (value->is_number_integer() && value->get<std::int64_t>() < 1);
    return none ? otherwise : config.integer(key);
  };
  DisentangledSpec distances;
  distances.max_distance = positive("max_relative_positions", spec.max_positions);
  distances.buckets = positive("position_buckets", 0);
  const bool logarithmic = distances.buckets > 0;
  if (logarithmic &&
      (distances.buckets < 4 || distances.max_distance <= distances.buckets / 2 + 1)) {
    config.problem("position_buckets " + std::to_string(distances.buckets) +
                   " do not divide distances up to " + std::to_string(distances.max_distance));
  }
  return distances;
}

void read_convolution(ConfigReader& config, EncoderOptions& options) {
  options.convolution_taps = config.integer_or_zero("conv_kernel_size", 0);
  if (options.convolution_taps < 1) return;
  if (options.convolution_taps % 2 == 0) config.problem("\"conv_kernel_size\" must be odd");
  if (config.integer_or("conv_groups", 1) != 1) config.problem("\"conv_groups\" must be 1");
  const std::string activation = config.text_or("conv_act", "tanh");
  options.convolution_gelu = activation == "gelu";
  if (activation != "gelu" && activation != "tanh") {
    config.problem("\"conv_act\" must be gelu or tanh");
  }
}

void refuse_other_parts(ConfigReader& config, const ArchSpec& spec) {
  for (const char* key : {"embedding_size", "pooler_hidden_size"}) {
    if (config.integer_or(key, spec.hidden_size) != spec.hidden_size) {
      config.problem("\"" + std::string(key) + "\" must be the hidden size");
    }
  }
  if (config.integer_or("attention_head_size", spec.head_dim) != spec.head_dim) {
    config.problem("\"attention_head_size\" must be the hidden size over the heads");
  }
  if (config.text_or("pooler_hidden_act", "gelu") != "gelu") {
    config.problem("\"pooler_hidden_act\" must be gelu");
  }
}

// The head of the authors' own checkpoints, and the one that transformers made of BERT's first.
void read_masked_head(ConfigReader& config, ArchSpec& spec, EncoderOptions& options) {
  if (config.boolean_or("legacy", true)) {
    share_output_bias(spec, options.masked_head.output, "cls.predictions.bias");
    return;
  }
  const std::string head = "lm_predictions.lm_head";
  options.masked_head = {.dense = head + ".dense", .norm = head + ".LayerNorm", .output = head};
  // It has no matrix of its own, whatever tie_word_embeddings says.
  spec.tied_head = spec.head_has_no_matrix = spec.task == HeadTask::kMasked;
}

// Beside what all encoders have; the head of tokens knows the hidden rate alone.
void read_own_dropout(ConfigReader& config, const EncoderOptions& options, ArchSpec& spec) {
  const std::optional<double> hidden = spec.dropout.embedding;
  spec.dropout.distances = hidden;
  if (options.convolution_taps > 0) spec.dropout.convolution = hidden;
  spec.dropout.head_output = hidden;
  if (spec.task != HeadTask::kDocument) return;
  spec.dropout.head_input = read_dropout(config, "pooler_dropout");
  spec.dropout.head_output = read_dropout(config, "cls_dropout", hidden.value_or(0));
}

}  // namespace

void parse_deberta_v2(ConfigReader& config, ArchSpec& spec) {
  EncoderOptions options = read_encoder(config, spec, "deberta");
  spec.default_targets = {"query_proj", "value_proj"};
  options.norm.eps = config.number_or("layer_norm_eps", 1e-7);
  options.names.query = "attention.self.query_proj";
  options.names.key = "attention.self.key_proj";
  options.names.value = "attention.self.value_proj";
  options.positions = 0;
  options.token_types = config.integer_or_zero("type_vocab_size", 0);
  options.relative = read_distances(config, spec);
  const std::vector<std::string> norm = names_of_list(config, "norm_rel_ebd");
  options.relative_norm = std::ranges::count(norm, "layer_norm") > 0;
  read_convolution(config, options);
  refuse_other_parts(config, spec);
  options.head_dense = "pooler.dense";
  options.head_activation = HeadActivation::kGelu;
  read_masked_head(config, spec, options);
  read_own_dropout(config, options, spec);
  spec.build = encoder(options);
}

}  // namespace svtune
