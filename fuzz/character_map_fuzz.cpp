// A SentencePiece character map of arbitrary bytes: it loads or throws FileError, and normalising
// valid UTF-8 by it gives valid UTF-8 or throws an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/sentencepiece_normalizer.h"

namespace {

void check(const svtune::Normalizer& normalizer, std::string text) {
  try {
    normalizer.apply(text);
  } catch (const svtune::Error&) {
    return;
  }
  if (!svtune::is_valid_utf8(text)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const svtune::CharacterMap map(input, "input");
    const std::string tail =
        svtune::replace_invalid_utf8(input.substr(size - std::min<std::size_t>(size, 128)));
    for (const std::string& text : {std::string(" a\xCC\x81 \xEF\xAC\x81\r\n x\xC2\xB2  "), tail}) {
      check(*svtune::make_precompiled_normalizer(map), text);
      check(*svtune::make_sentencepiece_normalizer({map, true, true}), text);
      check(*svtune::make_sentencepiece_normalizer({map, false, false}), text);
    }
  } catch (const svtune::FileError&) {
  }
  return 0;
}
