// IDX files of arbitrary bytes: as many images or labels as their sizes say, or FileError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/errors.h"
#include "images/idx.h"
#include "memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile memory(data, size);
  try {
    const svtune::IdxImages images = svtune::read_idx_images(memory.path());
    if (!svtune::is_idx(memory.path())) std::abort();
    const svtune::Image last = images.image(images.count - 1);
    if (last.rgb.size() * static_cast<std::size_t>(images.count) != 3 * images.grey.size()) {
      std::abort();
    }
  } catch (const svtune::FileError&) {
  }
  try {
    if (svtune::read_idx_labels(memory.path()).empty()) std::abort();
  } catch (const svtune::FileError&) {
  }
  return 0;
}
