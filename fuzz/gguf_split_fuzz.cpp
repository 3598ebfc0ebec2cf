// Two GGUF headers of arbitrary bytes joined into one model: accepted with all tensors of both, or
// a FileError. The first two bytes say where the second header begins.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "formats/gguf_split.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::uint16_t cut;
  std::memcpy(&cut, data, sizeof cut);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data + 2, size - 2));
  const std::size_t first = cut % (bytes.size() + 1);
  const std::vector<std::string> names{"first", "second"};
  try {
    std::vector<svtune::GgufHeader> parts;
    parts.push_back(svtune::parse_gguf_header(bytes.first(first), names[0]));
    parts.push_back(svtune::parse_gguf_header(bytes.subspan(first), names[1]));
    const std::size_t tensors = parts[0].tensors.size() + parts[1].tensors.size();
    const svtune::GgufHeader whole = svtune::join_gguf_parts(std::move(parts), names);
    if (whole.tensors.size() != tensors) std::abort();
  } catch (const svtune::FileError&) {
  }
  return 0;
}
