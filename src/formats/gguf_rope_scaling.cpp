#include "formats/gguf_rope_scaling.h"

#include <vector>

#include "base/errors.h"
#include "formats/gguf_dequant.h"
#include "formats/gguf_rope.h"

namespace svtune {
namespace {

Json stored_divisors(const GgufFile& file, const GgufTensorInfo& info, double theta) {
  std::vector<float> divisors(static_cast<std::size_t>(info.element_count()));
  gguf_dequantize(info.type, file.data(info), divisors);
  if (const std::optional<Json> scaling = llama3_scaling(divisors, theta)) return *scaling;
  throw FileError(file.path().string(),
                  "tensor \"rope_freqs.weight\" holds rotary factors of an unknown kind",
                  "only the scaling of Llama 3 is supported");
}

}  // namespace

Json rope_scaling_from_gguf(const GgufFile& file, const GgufKeys& keys, double theta) {
  if (const GgufTensorInfo* freqs = file.find_tensor("rope_freqs.weight")) {
    return stored_divisors(file, *freqs, theta);
  }
  const std::string type = keys.string("rope.scaling.type").value_or("none");
  const double old_linear = keys.number("rope.scale_linear").value_or(1);
  const double factor = keys.number("rope.scaling.factor").value_or(old_linear);
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
