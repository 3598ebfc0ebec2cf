// GgufCheckpoint; see gguf_checkpoint.h.
#include "formats/gguf_checkpoint.h"

#include <algorithm>
#include <map>

#include "base/errors.h"
#include "base/text_util.h"
#include "formats/gguf_config.h"
#include "formats/gguf_dequant.h"
#include "formats/safetensors_header.h"

namespace svtune {
namespace {

constexpr std::size_t kMaxListed = 5;
constexpr std::int64_t kMaxLayers = 10000;
constexpr const char* kOtherVariant =
    "the model is of a variant that is not supported, or its conversion was not complete";

[[noreturn]] void throw_problems(const std::string& path, std::vector<std::string> problems,
                                 const std::string& hint) {
  const std::size_t total = problems.size();
  problems.resize(std::min(total, kMaxListed));
  std::string text = join(problems, "; ");
  if (total > kMaxListed) text += "; and " + std::to_string(total - kMaxListed) + " more";
  throw FileError(path, text, hint);
}

// With the file of a split model that holds it.
std::string tensor_text(const GgufFile& file, const GgufTensorInfo& info) {
  const std::string text = "tensor \"" + info.name + "\"";
  return file.part_count() == 1 ? text : text + " (" + file.path_of(info).filename().string() + ")";
}

// Shapes that the configuration asks for, by checkpoint name.
std::map<std::string, std::vector<std::int64_t>> expected_shapes(const Json& config,
                                                                 const GgufFamily& family) {
  const auto number = [&](const char* key) { return config[key].get<std::int64_t>(); };
  const auto flag = [&](const char* key) { return config.value(key, false); };
  const bool qkv_bias = flag("attention_bias") || config["model_type"] == "qwen2";
  const std::int64_t hidden = number("hidden_size");
  const std::int64_t inner = number("intermediate_size");
  const std::int64_t head = number("head_dim");
  const std::int64_t q = number("num_attention_heads") * head;
  const std::int64_t kv = number("num_key_value_heads") * head;
  std::map<std::string, std::vector<std::int64_t>> shapes = {
      {"model.embed_tokens.weight", {number("vocab_size"), hidden}},
      {"model.norm.weight", {hidden}}};
  if (!config["tie_word_embeddings"].get<bool>()) {
    shapes["lm_head.weight"] = {number("vocab_size"), hidden};
  }
  for (std::int64_t i = 0; i < std::min(number("num_hidden_layers"), kMaxLayers); ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const auto add = [&](const char* name, std::vector<std::int64_t> shape) {
      shapes[layer + name + ".weight"] = std::move(shape);
    };
    add("self_attn.q_proj", {q, hidden});
    add("self_attn.k_proj", {kv, hidden});
    add("self_attn.v_proj", {kv, hidden});
    add("self_attn.o_proj", {hidden, q});
    add("mlp.gate_proj", {inner, hidden});
    add("mlp.up_proj", {inner, hidden});
    add("mlp.down_proj", {hidden, inner});
    const auto add_bias = [&](const char* name, std::int64_t size) {
      shapes[layer + name + ".bias"] = {size};
    };
    if (qkv_bias) {
      add_bias("self_attn.q_proj", q);
      add_bias("self_attn.k_proj", kv);
      add_bias("self_attn.v_proj", kv);
    }
    if (flag("attention_bias")) add_bias("self_attn.o_proj", hidden);
    if (flag("mlp_bias")) {
      add_bias("mlp.gate_proj", inner);
      add_bias("mlp.up_proj", inner);
      add_bias("mlp.down_proj", hidden);
    }
    add("input_layernorm", {hidden});
    add("post_attention_layernorm", {hidden});
    if (family.sandwich_norms) {
      add("pre_feedforward_layernorm", {hidden});
      add("post_feedforward_layernorm", {hidden});
    }
    if (family.qk_norms) {
      add("self_attn.q_norm", {head});
      add("self_attn.k_norm", {head});
    }
  }
  return shapes;
}

}  // namespace

GgufCheckpoint::GgufCheckpoint(const std::filesystem::path& path)
    : file_(path), family_(gguf_family(file_)), config_(hf_config_from_gguf(file_)) {
  add_tensors();
  check_shapes();
}

void GgufCheckpoint::add_tensors() {
  std::vector<std::string> problems;
  bool types_known = true;
  for (const GgufTensorInfo& info : file_.tensors()) {
    const auto name = hf_tensor_name(family_, info.name);
    const GgufTypeTraits* traits = gguf_type_traits(info.type);
    if (name && name->empty()) continue;
    if (!name) {
      problems.push_back("unknown tensor \"" + info.name + "\"");
    } else if (!traits->supported) {
      types_known = false;
      problems.push_back(tensor_text(file_, info) + " has type " + std::string(traits->name) +
                         " (supported: " + gguf_supported_types() + ")");
    } else {
      GgufHfTensor tensor{*name, info.shape, &info};
      const bool is_qk = info.name.find(".attn_q.") != std::string::npos ||
                         info.name.find(".attn_k.") != std::string::npos;
      if (family_.permutes_qk && is_qk) {
        tensor.head_size = config_["head_dim"].get<std::int64_t>();
      }
      if (family_.norm_plus_one && name->ends_with("norm.weight")) tensor.offset = -1;
      tensors_.push_back(std::move(tensor));
    }
  }
  if (!problems.empty()) {
    throw_problems(file_.path().string(), std::move(problems),
                   types_known ? kOtherVariant
                               : "convert it again to another type, for example Q8_0 or Q4_K_M");
  }
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

void GgufCheckpoint::check_shapes() const {
  std::vector<std::string> problems;
  auto expected = expected_shapes(config_, family_);
  for (const GgufHfTensor& tensor : tensors_) {
    const auto found = expected.find(tensor.name);
    if (found != expected.end() && found->second != tensor.shape) {
      problems.push_back(tensor_text(file_, *tensor.stored) + " has shape " +
                         shape_text(tensor.shape) + ", the metadata asks for " +
                         shape_text(found->second));
    }
    if (found == expected.end()) {
      problems.push_back(tensor_text(file_, *tensor.stored) + " does not belong to this model");
    }
  }
  for (const auto& [name, shape] : expected) {
    if (find(name) == nullptr) problems.push_back("tensor for \"" + name + "\" is missing");
  }
  if (!problems.empty()) {
    throw_problems(file_.path().string(), std::move(problems), kOtherVariant);
  }
}

const GgufHfTensor* GgufCheckpoint::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

void GgufCheckpoint::read_rows(const GgufHfTensor& tensor, std::int64_t first, std::int64_t count,
                               std::span<float> out) const {
  const std::int64_t row_size = tensor.row_size();
  if (first < 0 || count < 0 || first + count > tensor.rows() ||
      out.size() != static_cast<std::size_t>(count * row_size)) {
    throw Error("[GgufCheckpoint::read_rows] rows " + std::to_string(first) + " to " +
                std::to_string(first + count) + " of " + tensor.name +
                " do not exist or do not fit");
  }
  if (count == 0) return;
  const std::span<const std::byte> data = file_.data(*tensor.stored);
  const std::uint32_t type = tensor.stored->type;
  if (tensor.shape.size() < 2) {
    // One "row" would cut through quantised blocks, so a vector is expanded whole.
    std::vector<float> whole(static_cast<std::size_t>(tensor.rows()));
    gguf_dequantize(type, data, whole);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row =
          tensor.head_size > 0 ? stored_row(first + i, tensor.head_size) : first + i;
      out[static_cast<std::size_t>(i)] = whole[static_cast<std::size_t>(row)];
    }
  } else {
    const std::size_t row_bytes = data.size() / static_cast<std::size_t>(tensor.rows());
    const auto expand = [&](std::int64_t row, std::int64_t rows, std::int64_t to) {
      gguf_dequantize(type,
                      data.subspan(static_cast<std::size_t>(row) * row_bytes,
                                   static_cast<std::size_t>(rows) * row_bytes),
                      out.subspan(static_cast<std::size_t>(to * row_size),
                                  static_cast<std::size_t>(rows * row_size)));
    };
    if (tensor.head_size == 0) {
      expand(first, count, 0);
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        expand(stored_row(first + i, tensor.head_size), 1, i);
    }
  }
  if (tensor.offset != 0) {
    for (float& value : out) value += tensor.offset;
  }
}

}  // namespace svtune
