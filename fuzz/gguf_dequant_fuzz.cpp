// Blocks of arbitrary bytes of every GGUF type: expanded to exactly as many values as they hold, or
// refused. The first byte is the type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/errors.h"
#include "formats/gguf_dequant.h"
#include "formats/gguf_types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const svtune::GgufTypeTraits* traits = svtune::gguf_type_traits(data[0]);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data + 1, size - 1));
  const std::size_t blocks = traits == nullptr ? 0 : bytes.size() / traits->block_bytes;
  std::vector<float> values(traits == nullptr ? 0 : blocks * traits->block_elements);
  try {
    svtune::gguf_dequantize(data[0], bytes, values);
    if (!traits->supported || bytes.size() != blocks * traits->block_bytes) std::abort();
  } catch (const svtune::Error&) {
    if (traits != nullptr && traits->supported && bytes.size() == blocks * traits->block_bytes) {
      std::abort();
    }
  }
  return 0;
}
