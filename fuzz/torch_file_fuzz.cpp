// What torch.save would have written, of arbitrary bytes: it is refused with FileError, or every
// tensor lies inside the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/errors.h"
#include "formats/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    for (const svtune::TorchTensor& each : svtune::parse_torch_file(bytes, "input")) {
      if (each.info.end < each.info.begin || each.info.end > size) std::abort();
      const auto bits = static_cast<std::uint64_t>(svtune::dtype_bits(each.info.dtype));
      const auto values = static_cast<std::uint64_t>(each.info.element_count());
      if (values * bits > each.info.byte_size() * 8) std::abort();
    }
  } catch (const svtune::FileError&) {
  }
  return 0;
}
