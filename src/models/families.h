// The supported families: one line each in families.cpp, one file each in families/.
#pragma once

#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/json.h"
#include "models/arch_spec.h"

namespace svtune {

// Reads the family's keys; the common ones are already in `spec`. Problems go to the reader.
using FamilyParser = void (*)(ConfigReader& config, ArchSpec& spec);

// What a family calls its sizes in config.json.
struct SizeKeys {
  std::string hidden = "hidden_size";
  std::string inner = "intermediate_size";
  std::string layers = "num_hidden_layers";
  std::string heads = "num_attention_heads";
  std::string positions = "max_position_embeddings";
  std::int64_t inner_by_hidden = 0;  // inner / hidden where the file does not say; 0: it must
};

struct Family {
  std::string model_type;
  FamilyParser parse;
  std::string note;  // in README.md's table, behind the name
  // Of an encoder or image model: transformers' classes begin with it ("Bert"). Empty for decoders,
  // which have no head of labels.
  std::string encoder_class = {};
  SizeKeys sizes = {};
  bool reads_images = false;  // its classes for labels end with ForImageClassification
  // Of a config.json that describes several networks: one that describes the image model alone.
  // Throws FileError naming `source`.
  Json (*image_config)(const Json& config, const std::string& source) = nullptr;
  // Of a part that was saved alone: the family that has it with a head, and the key it has there.
  std::string whole = {}, whole_key = {};
};

void parse_llama(ConfigReader& config, ArchSpec& spec);
void parse_mistral(ConfigReader& config, ArchSpec& spec);
void parse_qwen2(ConfigReader& config, ArchSpec& spec);
void parse_qwen3(ConfigReader& config, ArchSpec& spec);
void parse_gemma(ConfigReader& config, ArchSpec& spec);
void parse_gemma2(ConfigReader& config, ArchSpec& spec);
void parse_gpt_neox(ConfigReader& config, ArchSpec& spec);
void parse_mixtral(ConfigReader& config, ArchSpec& spec);
void parse_gemma3_text(ConfigReader& config, ArchSpec& spec);
void parse_gpt2(ConfigReader& config, ArchSpec& spec);
void parse_phi(ConfigReader& config, ArchSpec& spec);
void parse_phi3(ConfigReader& config, ArchSpec& spec);
void parse_olmo2(ConfigReader& config, ArchSpec& spec);
void parse_olmo3(ConfigReader& config, ArchSpec& spec);
void parse_olmoe(ConfigReader& config, ArchSpec& spec);
void parse_qwen2_moe(ConfigReader& config, ArchSpec& spec);
void parse_qwen3_moe(ConfigReader& config, ArchSpec& spec);
void parse_smollm3(ConfigReader& config, ArchSpec& spec);
void parse_granite(ConfigReader& config, ArchSpec& spec);
void parse_starcoder2(ConfigReader& config, ArchSpec& spec);
void parse_bert(ConfigReader& config, ArchSpec& spec);
void parse_roberta(ConfigReader& config, ArchSpec& spec);
void parse_distilbert(ConfigReader& config, ArchSpec& spec);
void parse_deberta_v2(ConfigReader& config, ArchSpec& spec);
void parse_modernbert(ConfigReader& config, ArchSpec& spec);
void parse_vit(ConfigReader& config, ArchSpec& spec);
void parse_clip(ConfigReader& config, ArchSpec& spec);
Json clip_image_config(const Json& config, const std::string& source);
void parse_dinov2(ConfigReader& config, ArchSpec& spec);
void parse_dinov2_with_registers(ConfigReader& config, ArchSpec& spec);

const std::vector<Family>& families();
// The family of a config.json; null when its model_type is none of them.
const Family* family_of(const Json& config);

// config.json -> ArchSpec. Throws FileError naming every problem at once: unknown family,
// missing or malformed keys, and keys that change the mathematics but are not supported.
ArchSpec parse_arch(const Json& config, const std::string& source);

// The key of config.json that gives biases to linear layers of this one's kind, e.g.
// "attention_bias" for "model.layers.0.self_attn.q_proj"; empty when the family has no such key.
std::string bias_key(const ArchSpec& spec, const std::string& module);

}  // namespace svtune
