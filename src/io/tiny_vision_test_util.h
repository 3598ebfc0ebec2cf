// For tests only: small random image models as checkpoints hold them, without any help.
#pragma once

#include "io/tiny_model_test_util.h"

namespace svtune::test {

struct TinyVision {
  std::string family = "vit";  // or dinov2, dinov2_with_registers, clip
  std::int64_t labels = 3;
  // Without the head and the prefix of the names, which CLIP's keep, with tensors of no use here.
  bool bare = false;
  std::uint64_t seed = 1;
};

// As transformers' classes of the family begin.
inline std::string tiny_vision_class(const std::string& family) {
  if (family == "vit") return "ViT";
  if (family == "clip") return "CLIP";
  return family == "dinov2" ? "Dinov2" : "Dinov2WithRegisters";
}

// Images of 16 x 16 pixels in squares of 4, two registers where the family has any.
inline Json tiny_vision_config(const TinyVision& tiny) {
  Json json = parse_json(R"({"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
      "image_size": 16, "patch_size": 4, "num_channels": 3, "hidden_act": "gelu",
      "qkv_bias": true, "layer_norm_eps": 1e-06})",
                         "tiny");
  json["model_type"] = tiny.family;
  json["architectures"] = {tiny_vision_class(tiny.family) +
                           (tiny.bare ? "Model" : "ForImageClassification")};
  if (tiny.family == "vit") json["intermediate_size"] = 56;
  if (tiny.family == "clip") {
    json.erase("hidden_act");
    json["intermediate_size"] = 56;
    const Json tower = json;
    json = {{"model_type", "clip"}, {"vision_config", tower}};
    json["architectures"] = tower.at("architectures");
    json["vision_config"].erase("architectures");
    json["vision_config"]["model_type"] = "clip_vision_model";
  }
  if (tiny.family.starts_with("dinov2")) json["mlp_ratio"] = 2;
  if (tiny.family == "dinov2_with_registers") json["num_register_tokens"] = 2;
  if (tiny.bare) return json;
  for (std::int64_t i = 0; i < tiny.labels; ++i) {
    json["id2label"][std::to_string(i)] = "LABEL_" + std::to_string(i);
  }
  return json;
}

inline void write_tiny_vision(const std::filesystem::path& directory, const TinyVision& tiny) {
  std::filesystem::create_directories(directory);
  write_file_atomic(directory / "config.json", dump_json(tiny_vision_config(tiny), 2));
  TinyVision whole = tiny;
  whole.bare = false;
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    at::Tensor tensor = random_tensor(shape, 0.15, tiny.seed + tensors.size() * 977);
    const bool near_one = name.find("norm") != std::string::npos && name.ends_with(".weight");
    if (near_one || name.ends_with("lambda1")) tensor += 1;
    tensors.push_back({name, tensor});
    return tensor;
  };
  Network net(parse_arch(tiny_vision_config(whole), "tiny"), add);
  const std::string& prefix = net.spec().base_prefix;
  if (tiny.family.starts_with("dinov2")) add(prefix + "embeddings.mask_token", {1, 32});
  if (tiny.family == "clip") {
    for (const char* end : {"weight", "bias"}) add(prefix + "post_layernorm." + end, {32});
  }
  if (tiny.bare) {
    if (tiny.family == "vit") add(prefix + "pooler.dense.weight", {32, 32});
    std::erase_if(tensors, [&](const NamedTensor& each) { return !each.name.starts_with(prefix); });
    if (tiny.family == "clip") {
      add("text_model.embeddings.token_embedding.weight", {5, 8});
      add("text_projection.weight", {6, 8});
      add("logit_scale", {});
    } else {
      for (NamedTensor& each : tensors) each.name = each.name.substr(prefix.size());
    }
  }
  write_tensors(directory / "model.safetensors", tensors);
}

// A batch of these images [S, 3, height, width], of `tokens` tokens each.
inline Batch image_batch(const at::Tensor& images, std::int64_t tokens) {
  const auto longs = at::TensorOptions().dtype(at::kLong);
  const std::int64_t count = images.size(0);
  Batch batch;
  batch.tokens = at::zeros({count * tokens}, longs);
  batch.positions = at::arange(tokens, longs).repeat({count});
  batch.offsets = {0};
  for (std::int64_t s = 1; s <= count; ++s) {
    batch.offsets.push_back(static_cast<std::int32_t>(s * tokens));
  }
  batch.images = images;
  return batch;
}

// Two images of the size that tiny_vision_config() says; classes 2 and 0.
inline Batch two_images(std::int64_t registers = 0) {
  Batch batch = image_batch(random_tensor({2, 3, 16, 16}, 1.0, 7), 17 + registers);
  batch.document_targets =
      at::tensor(std::vector<std::int64_t>{2, 0}, at::TensorOptions().dtype(at::kLong));
  return batch;
}

inline at::Tensor image_logits_of(Model& model) {
  const at::NoGradGuard no_grad;
  return model.net->document_logits(two_images(model.spec().image->registers));
}

}  // namespace svtune::test
