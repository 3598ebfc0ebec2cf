// For tests only: a small random decoder for the byte tokenizer of data/data_test_util.h.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "libtorch/prelude.h"
#include "models/transformer.h"

namespace svtune::test {

inline ArchSpec tiny_decoder_spec() {
  ArchSpec spec;
  spec.family = "llama";
  spec.vocab_size = 264;
  spec.hidden_size = 32;
  spec.intermediate_size = 48;
  spec.num_layers = 2;
  spec.num_heads = 4;
  spec.num_kv_heads = 2;
  spec.head_dim = 8;
  spec.max_positions = 512;
  spec.attention_scale = 1.0 / std::sqrt(8.0);
  spec.windows = {0, 0};
  return spec;
}

// Weights follow from their names, so that two models of one spec are equal.
inline std::unique_ptr<Transformer> tiny_decoder(const ArchSpec& spec = tiny_decoder_spec(),
                                                 at::ScalarType dtype = at::kFloat) {
  return std::make_unique<Transformer>(
      spec, [dtype](const std::string& name, const std::vector<std::int64_t>& shape) {
        const at::Generator generator = at::detail::createCPUGenerator(hash64(name));
        const auto options = at::TensorOptions().dtype(at::kDouble);
        if (shape.size() == 1) return at::ones(shape, options).to(dtype);
        return at::randn(shape, generator, options).mul_(0.15).to(dtype);
      });
}

}  // namespace svtune::test
