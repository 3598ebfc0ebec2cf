// Compressed streams of arbitrary bytes, read in odd pieces: they end or throw FileError.
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/errors.h"
#include "formats/compressed.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Small inputs may expand a thousandfold; enough is enough for one run.
  constexpr std::size_t kMaxOutput = 1 << 22;
  const MemoryFile memory(data, size);
  try {
    const auto source = svtune::open_byte_source(memory.path());
    std::array<char, 4099> buffer;
    for (std::size_t total = 0; total < kMaxOutput;) {
      const std::size_t got = source->read(buffer);
      total += got;
      if (got < buffer.size()) break;
    }
  } catch (const svtune::FileError&) {
  }
  return 0;
}
