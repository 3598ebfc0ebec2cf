// For tests only: a small random decoder for the byte tokenizer of data/data_test_util.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "libtorch/prelude.h"
#include "models/families/decoder.h"
#include "models/network.h"

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
  spec.rope.width = spec.head_dim;
  spec.build = decoder({});
  return spec;
}

// Weights follow from their names, so that two models of one spec are equal.
inline std::unique_ptr<Network> tiny_decoder(const ArchSpec& spec = tiny_decoder_spec(),
                                             at::ScalarType dtype = at::kFloat) {
  return std::make_unique<Network>(
      spec, [dtype](const std::string& name, const std::vector<std::int64_t>& shape) {
        const at::Generator generator = at::detail::createCPUGenerator(hash64(name));
        const auto options = at::TensorOptions().dtype(at::kDouble);
        if (shape.size() == 1) return at::ones(shape, options).to(dtype);
        return at::randn(shape, generator, options).mul_(0.15).to(dtype);
      });
}

}  // namespace svtune::test
