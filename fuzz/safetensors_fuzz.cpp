// The safetensors header on arbitrary bytes: it is refused with FileError, or every tensor
// lies inside the file and has the size that its type and shape need.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/errors.h"
#include "formats/safetensors_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto header =
        svtune::parse_safetensors_header(std::as_bytes(std::span(data, size)), "input");
    std::uint64_t total = 0;
    for (const svtune::TensorInfo& info : header.tensors) {
      if (info.begin != total || info.end < info.begin) std::abort();
      const auto bits = static_cast<std::uint64_t>(svtune::dtype_bits(info.dtype));
      if (static_cast<std::uint64_t>(info.element_count()) * bits != info.byte_size() * 8) {
        std::abort();
      }
      total = info.end;
    }
    if (header.data_offset + total != size) std::abort();
  } catch (const svtune::FileError&) {
  }
  return 0;
}
