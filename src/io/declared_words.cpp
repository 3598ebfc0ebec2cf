#include "io/declared_words.h"

#include "libtorch/prelude.h"
#include "models/families.h"
#include "models/network.h"

namespace svtune {

DeclaredWords declared_words(const Json& config, const std::string& source) {
  const auto declare = [](const std::string&, const std::vector<std::int64_t>& shape) {
    return at::empty(shape, at::TensorOptions().dtype(at::kFloat).device(at::kMeta));
  };
  const Network net(parse_arch(config, source), declare);
  return {net.spec().vocab_size, net.embedding().name(), net.head().name(), net.spec().base_prefix,
          net.predicts_words(),  net.spec().old_names,   net.spec().task};
}

}  // namespace svtune
