// Expanding GGUF tensor data to float32. Block layouts from the public format description;
// the order of the floating-point operations is that of the `gguf` package, so results are
// bit-equal to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace svtune {

// Expands whole blocks of type `type` (see GgufType): data.size() = blocks * block_bytes and
// out.size() = blocks * block_elements. Throws Error for an unsupported type or other sizes.
void gguf_dequantize(std::uint32_t type, std::span<const std::byte> data, std::span<float> out);

}  // namespace svtune
