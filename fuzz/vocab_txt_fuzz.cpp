// vocab.txt from arbitrary bytes: it loads or throws FileError, and what loads encodes texts and
// pairs of any length.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/vocab_txt.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const bool lower : {true, false}) {
    svtune::TokenizerConfig config;
    config.do_lower_case = lower;
    try {
      svtune::TokenizerParts parts = svtune::read_vocab_txt(input, "input", config);
      parts.added.finish(parts.normalizer.get());
      std::vector<std::int32_t> ids;
      parts.encode("Unaff\xC3\xA0 \xE4\xB8\x96,\xCC\x81[MASK] x", ids);
      parts.encode(
          svtune::replace_invalid_utf8(input.substr(size - std::min<std::size_t>(size, 200))), ids);
      parts.decode(ids, false);
      std::vector<std::int32_t> second = ids;
      const auto pair = svtune::fill_template(parts.templates.pair, ids, &second, 5 + size % 40);
      if (pair.ids.size() > 5 + size % 40 || pair.ids.size() != pair.types.size()) std::abort();
    } catch (const svtune::Error&) {
    }
  }
  return 0;
}
