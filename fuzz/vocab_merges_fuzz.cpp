// vocab.json and merges.txt from arbitrary bytes, parted by the first zero byte: they load or throw
// FileError, and what loads encodes texts and pairs of any length.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/vocab_merges.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), size);
  const svtune::VocabMergesText text{input.substr(0, cut), "vocab.json",
                                     input.substr(std::min(cut + 1, size)), "merges.txt"};
  for (const char* name : {"GPT2Tokenizer", "Qwen2Tokenizer", "RobertaTokenizer"}) {
    svtune::TokenizerConfig config;
    config.tokenizer_class = name;
    config.add_prefix_space = size % 2 == 1;
    try {
      svtune::TokenizerParts parts = svtune::read_vocab_merges(text, config);
      parts.added.finish(parts.normalizer.get());
      std::vector<std::int32_t> ids;
      parts.encode("ab Ab\xC3\xA0 \xE4\xB8\x96 12<mask><|endoftext|>", ids);
      parts.encode(
          svtune::replace_invalid_utf8(input.substr(size - std::min<std::size_t>(size, 200))), ids);
      parts.decode(ids, false);
      if (parts.templates.pair.empty()) continue;
      std::vector<std::int32_t> second = ids;
      const auto pair = svtune::fill_template(parts.templates.pair, ids, &second, 5 + size % 40);
      if (pair.ids.size() > 5 + size % 40 || pair.ids.size() != pair.types.size()) std::abort();
    } catch (const svtune::Error&) {
    }
  }
  return 0;
}
