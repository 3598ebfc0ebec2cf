// For tests only: small random encoders as transformers would write them, without any help.
#pragma once

#include "io/tiny_model_test_util.h"

namespace svtune::test {

struct TinyEncoder {
  std::string family = "bert";  // or roberta, distilbert, deberta-v2, modernbert
  std::int64_t labels = 3;
  bool bare = false;  // without the head, and without the prefix of the names
  std::uint64_t seed = 1;
  bool old_names = false;  // gamma and beta of norms
  bool masked = false;     // with a head that finds hidden words in place of labels
};

inline Json tiny_encoder_config(const TinyEncoder& tiny) {
  Json json = parse_json(R"({"hidden_size": 32, "intermediate_size": 56, "num_attention_heads": 4,
      "num_hidden_layers": 2, "vocab_size": 48, "max_position_embeddings": 64, "pad_token_id": 1,
      "hidden_act": "gelu", "type_vocab_size": 2, "layer_norm_eps": 1e-07})",
                         "tiny");
  json["model_type"] = tiny.family;
  const std::map<std::string, std::string> classes = {{"bert", "Bert"},
                                                      {"roberta", "Roberta"},
                                                      {"distilbert", "DistilBert"},
                                                      {"deberta-v2", "DebertaV2"},
                                                      {"modernbert", "ModernBert"}};
  const char* head = tiny.masked ? "ForMaskedLM" : "ForSequenceClassification";
  json["architectures"] = {classes.at(tiny.family) + (tiny.bare ? "Model" : head)};
  if (!tiny.bare) {
    for (std::int64_t i = 0; i < tiny.labels; ++i) {
      json["id2label"][std::to_string(i)] = "LABEL_" + std::to_string(i);
    }
  }
  if (tiny.family == "distilbert") {
    json.update({{"dim", 32}, {"hidden_dim", 56}, {"n_heads", 4}, {"n_layers", 2}});
    for (const char* key : {"hidden_size", "intermediate_size", "num_attention_heads",
                            "num_hidden_layers", "hidden_act", "layer_norm_eps"}) {
      json.erase(key);
    }
  }
  if (tiny.family == "deberta-v2") {
    json.update({{"relative_attention", true},
                 {"share_att_key", true},
                 {"position_biased_input", false},
                 {"pos_att_type", "p2c|c2p"},
                 {"norm_rel_ebd", "layer_norm"},
                 {"position_buckets", 8},
                 {"max_relative_positions", -1},
                 {"type_vocab_size", 0}});
  }
  if (tiny.family == "modernbert") {
    // The second layer sees three tokens to each side.
    json.update({{"local_attention", 6}, {"norm_eps", 1e-7}});
    for (const char* key : {"bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"}) {
      json[key] = 2;
    }
    for (const char* key : {"hidden_act", "type_vocab_size", "layer_norm_eps"}) json.erase(key);
  }
  return json;
}

inline void write_tiny_encoder(const std::filesystem::path& directory, const TinyEncoder& tiny) {
  std::filesystem::create_directories(directory);
  const Json config = tiny_encoder_config(tiny);
  write_file_atomic(directory / "config.json", dump_json(config, 2));
  TinyEncoder whole = tiny;
  whole.bare = false;
  std::vector<NamedTensor> tensors;
  Network net(parse_arch(tiny_encoder_config(whole), "tiny"),
              [&](const std::string& name, const std::vector<std::int64_t>& shape) {
                at::Tensor tensor = random_tensor(shape, 0.15, tiny.seed + tensors.size() * 977);
                const bool norm = name.find("orm.weight") != std::string::npos;
                if (norm) tensor += 1;
                tensors.push_back({name, tensor});
                return tensor;
              });
  if (tiny.bare) {
    const std::string& prefix = net.spec().base_prefix;
    std::erase_if(tensors, [&](const NamedTensor& each) { return !each.name.starts_with(prefix); });
    for (NamedTensor& each : tensors) each.name = each.name.substr(prefix.size());
  }
  for (NamedTensor& each : tensors) {
    const std::size_t norm = each.name.find("LayerNorm.");
    if (!tiny.old_names || norm == std::string::npos) continue;
    each.name = each.name.substr(0, norm) +
                (each.name.ends_with("weight") ? "LayerNorm.gamma" : "LayerNorm.beta");
  }
  write_tensors(directory / "model.safetensors", tensors);
}

// Documents of 12 and 5 tokens; classes 2 and 0, or numbers where there is one label.
inline Batch two_documents(std::int64_t labels = 3) {
  Batch batch;
  std::vector<std::int64_t> tokens, positions, types;
  for (const std::int64_t length : {12, 5}) {
    for (std::int64_t i = 0; i < length; ++i) {
      tokens.push_back(2 + (i * 7 + length) % 46);
      positions.push_back(i);
      types.push_back(i > length / 2 ? 1 : 0);
    }
  }
  const auto longs = at::TensorOptions().dtype(at::kLong);
  batch.tokens = at::tensor(tokens, longs);
  batch.positions = at::tensor(positions, longs);
  batch.token_types = at::tensor(types, longs);
  batch.offsets = {0, 12, 17};
  batch.document_targets = labels == 1 ? at::tensor(std::vector<float>{0.5F, -2.0F})
                                       : at::tensor(std::vector<std::int64_t>{2, 0}, longs);
  return batch;
}

// Of a family without types.
inline Batch without_types(Batch batch) {
  batch.token_types = at::Tensor();
  return batch;
}

inline at::Tensor document_logits_of(Model& model) {
  const at::NoGradGuard no_grad;
  return model.net->document_logits(without_types(two_documents()));
}

}  // namespace svtune::test
