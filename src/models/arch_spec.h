// Plain data that describes a network: its sizes, and how its family builds and names it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/model_dropout.h"
#include "models/rope.h"

namespace svtune {

class Builder;
struct NetworkParts;

// Linear layers whose path holds `within` have biases where config.json sets `key`.
struct BiasKey {
  std::string key, within;
};

// What the output head has a row for.
enum class HeadTask {
  kNextToken,  // each word of the vocabulary: a language model
  kDocument,   // each class of a document, or one number that it is given
  kToken,      // each class of a token
  kMasked,     // each word of the vocabulary, for tokens that are hidden from the model
};

// What an image model reads: images of three channels, cut into squares of `patch` pixels.
struct ImageInput {
  std::int64_t height = 0, width = 0;  // pixels, that the position embeddings are made for
  std::int64_t patch = 0;              // pixels
  bool any_size = false;               // position embeddings are interpolated for other sizes
  bool antialias = false;              // that interpolation averages what it makes smaller
  std::int64_t registers = 0;          // learned tokens that no head reads
};

// Tokens of an image: one for the class, its registers and one for each patch. Throws ModelError
// for sizes that are not whole patches.
std::int64_t image_tokens(const ImageInput& input, std::int64_t height, std::int64_t width);

// The end of a tensor's name that older files hold in place of today's.
struct OldName {
  std::string now, before;
};

// A part of module paths that transformers 5 has another name for in memory, which PEFT's files of
// its adapters show; checkpoints keep the first.
struct RunningName {
  std::string stored, running;
};

// A parameter [experts, out, in] that transformers 5 holds in place of layers of every expert.
struct FusedParameter {
  std::string name;
  std::vector<std::string> layers;  // of one expert, whose rows it has in this order
};

// How transformers 5 holds the experts of a mixture, which checkpoints and the network hold as
// layers MODULE.0.LAYER, MODULE.1.LAYER, ...
struct FusedExperts {
  std::string module;  // last part of the path of the module that has the parameters
  std::string router;  // last part of that of the router, which is no linear layer there
  std::vector<FusedParameter> parameters;  // in the order in which the module has them
  std::vector<RunningName> running_names;  // of these paths alone
  // PEFT takes every module called as the router or a layer of an expert is for one of those.
  bool takes_names = true;
};

struct ArchSpec {
  std::string family;  // model_type of config.json
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_positions = 0;  // tokens
  bool tied_head = false;
  bool head_has_no_matrix = false;  // in transformers' class: the head is handed the embedding's
  bool rotary = true;  // positions turn the heads; else the family reads them in another way
  RopeSpec rope;
  std::optional<RopeSpec> window_rope;  // of layers with a window, where theirs is another one
  DropoutRates dropout;                 // config.json's, for training
  HeadTask task = HeadTask::kNextToken;
  std::optional<ImageInput> image;  // unset: the model reads text
  std::int64_t num_labels = 0;      // of kDocument and kToken; 1: a number, learnt by squared error

  // What base models saved without their head leave out in front of tensor names.
  std::string base_prefix;
  std::vector<std::string> default_targets;  // PEFT's for the family
  std::vector<BiasKey> bias_keys;
  std::vector<OldName> old_names;
  std::vector<RunningName> running_names;
  std::optional<FusedExperts> fused_experts;  // of a mixture
  bool numbered_layers = false;   // some blocks are others for their number, not by layer_types
  bool order_of_its_own = false;  // transformers lists a block's linear layers in another one
  // Ends of names of tensors that older files hold and that carry no information.
  std::vector<std::string> buffers;
  // Beginnings of names of tensors that other networks of the same checkpoint have.
  std::vector<std::string> other_networks;
  // Ends of names of matrices that model directories hold as [in, out] (transformers' Conv1D); in
  // the network they are [out, in] as all others.
  std::vector<std::string> transposed;
  std::function<NetworkParts(const ArchSpec& spec, const Builder& builder)> build;
};

// The path of a module or tensor as transformers 5 has it in memory, and back; those of other
// forms as they are.
std::string running_path(const std::vector<RunningName>& names, const std::string& stored);
std::string stored_path(const std::vector<RunningName>& names, const std::string& running);
// Those of all paths, in mixtures too.
std::vector<RunningName> names_in_memory(const ArchSpec& spec);

}  // namespace svtune
