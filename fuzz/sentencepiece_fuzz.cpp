// tokenizer.model from arbitrary bytes, as a SentencePiece model and as tiktoken ranks: it loads
// or throws FileError, and what loads encodes and decodes.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/tiktoken.h"

namespace {

constexpr std::string_view kText =
    "Hello  w\xC3\xB6rld's 123\n\xE2\x96\x81 <s> \xF0\x9F\x98\x80 aaaabbab";

template <typename Load>
void try_format(Load load) {
  try {
    svtune::TokenizerParts parts = load();
    parts.added.finish(parts.normalizer.get());
    std::vector<std::int32_t> ids;
    parts.encode(kText, ids);
    parts.decode(ids, false);
  } catch (const svtune::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const svtune::TokenizerConfig config;
  for (const auto rule :
       {svtune::SentencePieceRule::kSentencePiece, svtune::SentencePieceRule::kTransformers5}) {
    try_format([&] { return svtune::read_sentencepiece_tokenizer(input, "input", config, rule); });
  }
  try_format([&] { return svtune::read_tiktoken(input, "input", config); });
  return 0;
}
