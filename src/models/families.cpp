#include "models/families.h"

#include <algorithm>

namespace svtune {
namespace {

// Keys of other architectures that change what the model computes. Any value that is not
// listed as neutral makes the file unreadable for svtune: silence would give wrong numbers.
struct ForeignKey {
  const char* name;
  std::vector<Json> neutral;
};

const std::vector<ForeignKey>& foreign_keys() {
  static const std::vector<ForeignKey> keys = {
      {"num_experts", {0, 1}},
      {"num_local_experts", {0, 1}},
      {"n_routed_experts", {0}},
      {"partial_rotary_factor", {1.0}},
      {"rotary_pct", {1.0}},
      {"clip_qkv", {}},
      {"kv_lora_rank", {}},
      {"q_lora_rank", {}},
      {"residual_multiplier", {1.0}},
      {"embedding_multiplier", {1.0}},
      {"attention_multiplier", {}},
      {"logits_scaling", {1.0}},
      {"logit_scale", {1.0}},
      {"use_mrope", {false}},
      {"mrope_section", {}},
      {"rope_interleaved", {false}},
      {"no_rope_layers", {Json::array()}},
      {"alibi", {false}},
      {"parallel_attn", {false}},
      {"use_parallel_residual", {false}},
      {"num_nextn_predict_layers", {0}},
      {"layer_norm_elementwise_affine", {true}},
      {"use_bidirectional_attention", {false}},
  };
  return keys;
}

void reject_foreign_keys(ConfigReader& config) {
  for (const ForeignKey& key : foreign_keys()) {
    if (config.was_read(key.name)) continue;  // the family knows it
    const Json* value = config.find(key.name);
    if (value == nullptr) continue;
    bool neutral = false;
    for (const Json& allowed : key.neutral) neutral = neutral || *value == allowed;
    if (!neutral) {
      config.problem("\"" + std::string(key.name) + "\" = " + value->dump().substr(0, 60) +
                     " changes the computation and is not supported");
    }
  }
}

void parse_rope_values(ConfigReader& outer, const Json& section, ArchSpec& spec) {
  ConfigReader rope(section, outer.source());
  const std::string type = rope.text_or("rope_type", rope.text_or("type", "default"));
  spec.rope.theta = rope.number_or("rope_theta", spec.rope.theta);
  // What a type needs and the file lacks would change the mathematics silently.
  const auto required = [&](const char* key) {
    if (rope.find(key) == nullptr) {
      outer.problem("rope type \"" + type + "\" needs \"" + key + "\"");
    }
    return rope.number_or(key, 1.0);
  };
  // A family that turns a part of each head has set the width already.
  const double turned = rope.number_or("partial_rotary_factor", 0.0);
  const auto width = static_cast<std::int64_t>(turned * static_cast<double>(spec.head_dim));
  if (turned != 0.0 && width != spec.rope.width) {
    outer.problem("rope parameter \"partial_rotary_factor\" = " +
                  rope.find("partial_rotary_factor")->dump() + " is not supported");
  }
  if (type == "default") {
    spec.rope.type = RopeType::kDefault;
  } else if (type == "linear") {
    spec.rope.type = RopeType::kLinear;
    spec.rope.factor = required("factor");
  } else if (type == "llama3") {
    spec.rope.type = RopeType::kLlama3;
    spec.rope.factor = required("factor");
    spec.rope.low_freq_factor = required("low_freq_factor");
    spec.rope.high_freq_factor = required("high_freq_factor");
    spec.rope.original_max_positions =
        outer.number_or("original_max_position_embeddings",
                        rope.number_or("original_max_position_embeddings",
                                       static_cast<double>(spec.max_positions)));
  } else {
    outer.problem("rope type \"" + type + "\" is not supported (default, linear and llama3 are)");
  }
  rope.finish();
}

void parse_rope_section(ConfigReader& config, const Json& section, ArchSpec& spec) {
  if (!section.is_object()) {
    config.problem("rope parameters must be an object");
    return;
  }
  for (const auto& [key, value] : section.items()) {
    if (value.is_object()) {
      config.problem("rope parameters per layer type (\"" + key + "\") are not supported");
      return;
    }
  }
  parse_rope_values(config, section, spec);
}

// rope_scaling (older files) replaces rope_parameters (transformers >= 5) when both are there.
void parse_rope(ConfigReader& config, ArchSpec& spec) {
  if (spec.rope.width == 0) spec.rope.width = spec.head_dim;
  spec.rope.theta = config.number_or("rope_theta", spec.rope.theta);
  const Json* section = config.find("rope_scaling");
  if (section == nullptr) section = config.find("rope_parameters");
  if (section != nullptr) parse_rope_section(config, *section, spec);
  if (spec.rope.width % 2 != 0) {
    config.problem("head_dim " + std::to_string(spec.head_dim) + " turns " +
                   std::to_string(spec.rope.width) + " elements, need an even number");
  }
  if (!(spec.rope.theta > 0) || !(spec.rope.factor > 0)) {
    config.problem("rope theta and factor must be positive");
  }
}

void parse_dimensions(ConfigReader& config, ArchSpec& spec) {
  spec.vocab_size = config.integer("vocab_size");
  spec.hidden_size = config.integer("hidden_size");
  spec.intermediate_size = config.integer("intermediate_size");
  spec.num_layers = config.integer("num_hidden_layers");
  spec.num_heads = config.integer("num_attention_heads");
  spec.num_kv_heads = config.integer_or("num_key_value_heads", spec.num_heads);
  spec.head_dim =
      config.integer_or("head_dim", std::max<std::int64_t>(1, spec.hidden_size / spec.num_heads));
  spec.max_positions = config.integer_or("max_position_embeddings", 2048);
  spec.tied_head = config.boolean_or("tie_word_embeddings", false);
  constexpr std::int64_t kMaxLayers = 4096;
  if (spec.num_layers > kMaxLayers) {
    config.problem("num_hidden_layers is above " + std::to_string(kMaxLayers));
    spec.num_layers = 1;
  }
  if (spec.num_heads % spec.num_kv_heads != 0) {
    config.problem("num_attention_heads " + std::to_string(spec.num_heads) +
                   " is not a multiple of num_key_value_heads " +
                   std::to_string(spec.num_kv_heads));
  }
}

}  // namespace

const std::vector<Family>& families() {
  static const std::vector<Family> list = {
      {"llama", parse_llama},   {"mistral", parse_mistral},   {"mixtral", parse_mixtral},
      {"qwen2", parse_qwen2},   {"qwen3", parse_qwen3},       {"gemma", parse_gemma},
      {"gemma2", parse_gemma2}, {"gpt_neox", parse_gpt_neox},
  };
  return list;
}

ArchSpec parse_arch(const Json& config, const std::string& source) {
  ConfigReader reader(config, source);
  if (!config.is_object()) reader.problem("not a JSON object");
  reader.finish();
  ArchSpec spec;
  spec.family = reader.text_or("model_type", "");
  const Family* found = nullptr;
  std::string known;
  for (const Family& family : families()) {
    if (family.model_type == spec.family) found = &family;
    known += (known.empty() ? "" : ", ") + family.model_type;
  }
  if (found == nullptr) {
    reader.problem("model_type \"" + spec.family + "\" is not supported (" + known + " are)");
    reader.finish();
  }
  parse_dimensions(reader, spec);
  found->parse(reader, spec);
  parse_rope(reader, spec);
  reject_foreign_keys(reader);
  reader.finish();
  return spec;
}

std::string bias_key(const ArchSpec& spec, const std::string& module) {
  for (const BiasKey& each : spec.bias_keys) {
    if (module.find(each.within) != std::string::npos) return each.key;
  }
  return "";
}

}  // namespace svtune
