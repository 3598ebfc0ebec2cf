#include "cli/tokenize_command.h"

#include "base/errors.h"
#include "cli/token_lines.h"
#include "formats/json_lines.h"
#include "io/load_tokenizer.h"

namespace svtune {
namespace {

void require_known(const std::vector<std::int32_t>& ids, const Tokenizer& tokenizer,
                   const std::string& place) {
  for (const std::int32_t id : ids) {
    if (id < tokenizer.vocab_size() && !tokenizer.id_to_token(id).empty()) continue;
    throw FileError(place,
                    "has token id " + std::to_string(id) +
                        ", which the tokenizer does not know; it ends at " +
                        std::to_string(tokenizer.vocab_size() - 1),
                    "Was the text tokenised for another model?");
  }
}

}  // namespace

int run(const TokenizeOptions& options, CommandContext& context) {
  const Tokenizer tokenizer = load_tokenizer(options.model);
  JsonLinesWriter writer(options.output);
  const auto write = [&](std::int64_t line, Json value) {
    const std::string place = line_place(options.input, line);
    if (has_value(value, "text")) {
      value["ids"] = tokenizer.encode(text_of(value, place), options.special);
    } else {
      const std::vector<std::int32_t> ids = ids_of(value, place);
      require_known(ids, tokenizer, place);
      value["text"] = tokenizer.decode(ids, !options.special);
    }
    writer.write(value);
  };
  const std::int64_t replaced = for_each_json_line(options.input, write);
  writer.commit();
  const std::string text = surrogates_text(line_source(options.input), replaced, "line");
  if (!text.empty()) context.warn(text);
  return 0;
}

}  // namespace svtune
