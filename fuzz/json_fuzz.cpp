// The JSON parser on arbitrary bytes: it accepts or throws FileError, and what it accepts is
// printed as text that it reads back to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/errors.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const svtune::Json value = svtune::parse_json(text, "input");
    const std::string printed = svtune::dump_json(value);
    // Compared as text: NaN is unequal to itself.
    if (svtune::dump_json(svtune::parse_json(printed, "printed")) != printed) std::abort();
    svtune::parse_json(text, "input", {.max_depth = 8, .reject_duplicate_keys = true});
  } catch (const svtune::FileError&) {
  }
  return 0;
}
