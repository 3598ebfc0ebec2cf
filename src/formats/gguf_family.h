// The model families that GGUF files of the llama kind hold, and how each one's tensors
// differ from the Hugging Face checkpoint they were made from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace svtune {

// A name of GGUF's and the one in the checkpoint: of a module in a layer, or of a configuration
// key.
struct GgufName {
  std::string_view gguf, hf;
};

// A mixture of experts, whose matrices GGUF stacks: one tensor [experts, out, in] of all.
struct GgufExperts {
  std::string_view module;          // of the mixture in a layer
  std::string_view gate, up, down;  // of an expert
};

// What a checkpoint calls the parts outside its layers, and how the names in these begin.
struct GgufTrunk {
  std::string_view embedding = "model.embed_tokens";
  std::string_view norm = "model.norm";
  std::string_view layers = "model.layers.";
  std::string_view positions = {};  // empty: it learns none
};

struct GgufFamily {
  std::string_view architecture;  // general.architecture
  std::string_view model_type;    // config.json
  std::string_view class_name;    // config.json "architectures"
  std::string_view activation;    // config.json "hidden_act"
  bool permutes_qk = false;       // q and k rows are stored in interleaved rotary order
  bool norm_plus_one = false;     // norm weights are stored as 1 + w
  bool longrope = false;          // tensors rope_factors_long and rope_factors_short
  bool turns_a_part = false;      // of each head, by rope.dimension_count
  bool conv1d = false;            // directories hold matrices of layers as [in, out]
  GgufTrunk trunk = {};
  std::span<const GgufName> modules = {};  // that others have not, or under another name
  std::span<const GgufName> numbers = {};  // keys "<architecture>.X" that stand for numbers
  const GgufExperts* experts = nullptr;    // null: it has no mixtures
};

// Throws FileError naming the architecture when it is none of those above.
const GgufFamily& gguf_family(const GgufFile& file);

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight". Empty for a tensor that
// a checkpoint does not hold (rotary factors); nullopt for an unknown name.
std::optional<std::string> hf_tensor_name(const GgufFamily& family, std::string_view gguf_name);

// Of a stack of experts' matrices the name of one of them in the checkpoint:
// "blk.3.ffn_up_exps.weight"
// -> "model.layers.3.mlp.experts.7.up_proj.weight". nullopt for other tensors.
std::optional<std::string> hf_expert_name(const GgufFamily& family, std::string_view gguf_name,
                                          std::int64_t expert);

// Row of the stored q or k matrix that belongs into row `row` of the checkpoint's, when each
// head has `head_size` rows: stored row 2j+p of a head is the checkpoint's row p*h/2 + j.
std::int64_t stored_row(std::int64_t row, std::int64_t head_size);

}  // namespace svtune
