// tokenizer.json from arbitrary bytes: it loads or throws an Error, and what loads encodes and
// decodes arbitrary text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/errors.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = svtune::Tokenizer::from_json(input, "input");
    for (const std::string_view text :
         {std::string_view("Hello  wörld's 123\n\n\xE2\x96\x81 <s>e\xCC\x81 \xF0\x9F\x98\x80"),
          input.substr(input.size() - std::min<std::size_t>(input.size(), 256))}) {
      const auto ids = tokenizer.encode(text, true);
      tokenizer.decode(ids, false);
      tokenizer.decode(ids, true);
    }
  } catch (const svtune::Error&) {
  }
  return 0;
}
