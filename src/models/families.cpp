#include "models/families.h"

#include <algorithm>

#include "models/rope_config.h"

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
      {"use_qk_norm", {false}},
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

void parse_dimensions(ConfigReader& config, const Family& family, ArchSpec& spec) {
  const SizeKeys& keys = family.sizes;
  if (!family.reads_images) spec.vocab_size = config.integer("vocab_size");
  spec.hidden_size = config.integer(keys.hidden);
  spec.intermediate_size =
      keys.inner_by_hidden > 0
          ? config.integer_or(keys.inner, keys.inner_by_hidden * spec.hidden_size)
          : config.integer(keys.inner);
  spec.num_layers = config.integer(keys.layers);
  spec.num_heads = config.integer(keys.heads);
  spec.num_kv_heads = config.integer_or("num_key_value_heads", spec.num_heads);
  spec.head_dim =
      config.integer_or("head_dim", std::max<std::int64_t>(1, spec.hidden_size / spec.num_heads));
  spec.max_positions = config.integer_or(keys.positions, 2048);
  spec.tied_head = config.boolean_or("tie_word_embeddings", false);
  constexpr std::int64_t kMaxLayers = 4096;
  if (spec.num_layers > kMaxLayers) {
    config.problem(keys.layers + " is above " + std::to_string(kMaxLayers));
    spec.num_layers = 1;
  }
  if (spec.num_heads % spec.num_kv_heads != 0) {
    config.problem(keys.heads + " " + std::to_string(spec.num_heads) +
                   " is not a multiple of num_key_value_heads " +
                   std::to_string(spec.num_kv_heads));
  }
}

}  // namespace

const std::vector<Family>& families() {
  static const SizeKeys kGpt2Sizes{"n_embd", "n_inner", "n_layer", "n_head", "n_positions", 4};
  static const SizeKeys kDistilBertSizes{
      .hidden = "dim", .inner = "hidden_dim", .layers = "n_layers", .heads = "n_heads"};
  static const SizeKeys kUsualSizes{};
  static const SizeKeys kDinov2Sizes{.inner_by_hidden = 4};  // by mlp_ratio, which the family reads
  static const std::vector<Family> list = {
      {"llama", parse_llama, "1, 2, 3, 3.1, 3.2; SmolLM2"},
      {"mistral", parse_mistral, "sliding window"},
      {"ministral", parse_mistral, "window in some layers"},
      {"mixtral", parse_mixtral, "experts as targets"},
      {"qwen2", parse_qwen2, "and 2.5"},
      {"qwen2_moe", parse_qwen2_moe, "with the shared expert"},
      {"qwen3", parse_qwen3, ""},
      {"qwen3_moe", parse_qwen3_moe, ""},
      {"gemma", parse_gemma, ""},
      {"gemma2", parse_gemma2, ""},
      {"gemma3_text", parse_gemma3_text, ""},
      {"phi", parse_phi, "1, 1.5 and 2"},
      {"phi3", parse_phi3, "and 4; fused matrices as targets"},
      {"olmo2", parse_olmo2, ""},
      {"olmo3", parse_olmo3, ""},
      {"olmoe", parse_olmoe, ""},
      {"smollm3", parse_smollm3, ""},
      {"granite", parse_granite, ""},
      {"starcoder2", parse_starcoder2, ""},
      {"gpt2", parse_gpt2, "Conv1D as targets", "", kGpt2Sizes},
      {"gpt_neox", parse_gpt_neox, "Pythia"},
      {"bert", parse_bert, "MiniLM, BGE, E5", "Bert"},
      {"roberta", parse_roberta, "", "Roberta"},
      {"xlm-roberta", parse_roberta, "", "XLMRoberta"},
      {"distilbert", parse_distilbert, "", "DistilBert", kDistilBertSizes},
      {"deberta-v2", parse_deberta_v2, "DeBERTa V2 and V3", "DebertaV2"},
      {"modernbert", parse_modernbert, "", "ModernBert"},
      {"vit", parse_vit, "", "ViT", {}, true},
      {"dinov2", parse_dinov2, "any size", "Dinov2", kDinov2Sizes, true},
      {"dinov2_with_registers", parse_dinov2_with_registers, "any size", "Dinov2WithRegisters",
       kDinov2Sizes, true},
      {"clip", parse_clip, "the tower for images", "CLIP", {}, true, clip_image_config},
      {"clip_vision_model", parse_clip, "", "CLIPVision", kUsualSizes, true, clip_image_config,
       "clip", "vision_config"},
  };
  return list;
}

const Family* family_of(const Json& config) {
  const auto type = config.is_object() ? config.find("model_type") : config.end();
  if (type == config.end() || !type->is_string()) return nullptr;
  for (const Family& family : families()) {
    if (family.model_type == type->get<std::string>()) return &family;
  }
  return nullptr;
}

namespace {

// The family of a config.json; FileError for those that are none or of no known one.
const Family& known_family(const Json& config, const std::string& source) {
  ConfigReader reader(config, source);
  if (!config.is_object()) reader.problem("not a JSON object");
  reader.finish();
  const std::string type = reader.text_or("model_type", "");
  const Family* found = family_of(config);
  if (found == nullptr) {
    std::string known;
    for (const Family& family : families()) {
      known += (known.empty() ? "" : ", ") + family.model_type;
    }
    reader.problem("model_type \"" + type + "\" is not supported (" + known + " are)");
    if (const Json* text = reader.find("text_config"); text != nullptr && text->is_object()) {
      ConfigReader inner(*text, source);
      reader.problem("its text model (" + inner.text_or("model_type", "of no type") +
                     ") must be saved alone");
    }
    reader.finish();
  }
  return *found;
}

}  // namespace

ArchSpec parse_arch(const Json& config, const std::string& source) {
  const Family& family = known_family(config, source);
  const Json whole = family.image_config == nullptr ? config : family.image_config(config, source);
  ConfigReader reader(whole, source);
  ArchSpec spec;
  spec.family = family.model_type;
  parse_dimensions(reader, family, spec);
  family.parse(reader, spec);
  if (spec.task == HeadTask::kNextToken || spec.task == HeadTask::kMasked) {
    spec.dropout.head_input.reset();  // heads of words have none
    spec.dropout.head_output.reset();
  }
  if (spec.rotary) read_rope(reader, spec);
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
