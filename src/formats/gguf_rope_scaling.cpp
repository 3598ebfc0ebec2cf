// Rotary scaling from keys and tensors; see gguf_rope_scaling.h. Names and meaning as llama.cpp
// writes and reads them.
#include "formats/gguf_rope_scaling.h"

#include <cmath>
#include <vector>

#include "base/errors.h"
#include "formats/gguf_dequant.h"
#include "formats/gguf_rope.h"
#include "formats/gguf_types.h"
#include "formats/safetensors_header.h"

namespace svtune {
namespace {

constexpr const char* kShortFactors = "rope_factors_short.weight";
constexpr const char* kLongFactors = "rope_factors_long.weight";

[[noreturn]] void fail(const GgufFile& file, const GgufTensorInfo& info, const std::string& what,
                       const std::string& hint) {
  throw FileError(file.path_of(info).string(), "tensor \"" + info.name + "\" " + what, hint);
}

std::vector<float> stored_divisors(const GgufFile& file, const GgufTensorInfo& info) {
  const GgufTypeTraits* traits = gguf_type_traits(info.type);
  if (traits == nullptr || !traits->supported) {
    fail(file, info, "has a type that is not supported", "supported are " + gguf_supported_types());
  }
  std::vector<float> divisors(static_cast<std::size_t>(info.element_count()));
  gguf_dequantize(info.type, file.data(info), divisors);
  return divisors;
}

Json read_llama3(const GgufFile& file, const GgufTensorInfo& info, double theta) {
  if (const std::optional<Json> scaling = llama3_scaling(stored_divisors(file, info), theta)) {
    return *scaling;
  }
  fail(file, info, "holds rotary factors of an unknown kind",
       "only the scaling of Llama 3 is supported");
}

Json longrope_divisors(const GgufFile& file, const char* name, std::int64_t pairs) {
  const GgufTensorInfo* info = file.find_tensor(name);
  if (info == nullptr) {
    throw FileError(file.path().string(),
                    "tensor \"" + std::string(name) + "\" of the longrope scaling is missing",
                    "the file's conversion was not complete");
  }
  if (info->shape != std::vector<std::int64_t>{pairs}) {
    fail(file, *info,
         "has shape " + shape_text(info->shape) + ", the metadata asks for " +
             shape_text(std::vector<std::int64_t>{pairs}),
         "");
  }
  Json list = Json::array();
  for (const float divisor : stored_divisors(file, *info)) {
    if (!(divisor > 0) || std::isinf(divisor)) {
      fail(file, *info, "holds " + std::to_string(divisor) + ", need positive numbers", "");
    }
    list.push_back(shortest_decimal(divisor));
  }
  return list;
}

// Of queries and keys both, as transformers computes it where config.json names none.
double usual_attention_factor(double stretch, double original) {
  return stretch <= 1 ? 1.0 : std::sqrt(1 + std::log(stretch) / std::log(original));
}

Json read_longrope(const GgufFile& file, const GgufKeys& keys, const GgufRope& rope) {
  // "type", not "rope_type": before version 5 transformers asks for these three names exactly.
  Json json = {{"type", "longrope"},
               {"short_factor", longrope_divisors(file, kShortFactors, rope.width / 2)},
               {"long_factor", longrope_divisors(file, kLongFactors, rope.width / 2)}};
  const char* length_key = "rope.scaling.original_context_length";
  const std::int64_t original = keys.positive(length_key);
  if (original < 2) keys.fail(length_key, "got 1, need at least 2");
  const double attention = keys.require_number("rope.scaling.attn_factor");
  if (!(attention > 0) || std::isinf(attention)) {
    keys.fail("rope.scaling.attn_factor",
              "got " + std::to_string(attention) + ", need a positive number");
  }
  const auto length = static_cast<double>(original);
  const double usual = usual_attention_factor(static_cast<double>(rope.positions) / length, length);
  // Files hold it in 32 bits.
  if (std::abs(attention - usual) > 1e-6 * usual) json["attention_factor"] = attention;
  return json;
}

}  // namespace

Json rope_scaling_from_gguf(const GgufFile& file, const GgufFamily& family, const GgufKeys& keys,
                            const GgufRope& rope) {
  const GgufTensorInfo* freqs = file.find_tensor("rope_freqs.weight");
  const bool scales_scores = keys.number("rope.scaling.attn_factor").value_or(1) != 1;
  if (scales_scores && (freqs != nullptr || !family.longrope)) {
    keys.fail("rope.scaling.attn_factor", "is not supported but with the longrope scaling");
  }
  if (freqs != nullptr) return read_llama3(file, *freqs, rope.theta);
  const std::string type = keys.string("rope.scaling.type").value_or("none");
  const double old_linear = keys.number("rope.scale_linear").value_or(1);
  const double factor = keys.number("rope.scaling.factor").value_or(old_linear);
  const bool has_lists =
      file.find_tensor(kShortFactors) != nullptr || file.find_tensor(kLongFactors) != nullptr;
  if (family.longrope && (has_lists || scales_scores || type == "longrope")) {
    // llama.cpp takes the lists whatever the type, which its converter leaves out.
    if (type == "yarn" || factor != 1) {
      keys.fail(type == "yarn" ? "rope.scaling.type" : "rope.scaling.factor",
                "is not supported beside the longrope scaling");
    }
    return read_longrope(file, keys, rope);
  }
  if (type == "none" && old_linear == 1) return nullptr;
  if (type == "linear" || type == "none") return {{"rope_type", "linear"}, {"factor", factor}};
  if (type != "yarn") keys.fail("rope.scaling.type", "\"" + type + "\" is not supported");
  Json yarn = {{"rope_type", "yarn"}, {"factor", factor}};
  if (const auto original = keys.integer("rope.scaling.original_context_length")) {
    yarn["original_max_position_embeddings"] = *original;
  }
  return yarn;
}

}  // namespace svtune
