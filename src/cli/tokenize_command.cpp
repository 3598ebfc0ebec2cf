#include "cli/tokenize_command.h"

#include "base/errors.h"
#include "cli/token_lines.h"
#include "formats/json_lines.h"
#include "io/load_tokenizer.h"

namespace svtune {

int run(const TokenizeOptions& options) {
  const Tokenizer tokenizer = load_tokenizer(options.model);
  JsonLinesWriter writer(options.output);
  for_each_json_line(options.input, [&](std::int64_t line, Json value) {
    const std::string place = line_place(options.input, line);
    if (value.contains("text")) {
      value["ids"] = tokenizer.encode(text_of(value, place), options.special);
    } else {
      value["text"] = tokenizer.decode(ids_of(value, place), !options.special);
    }
    writer.write(value);
  });
  writer.commit();
  return 0;
}

}  // namespace svtune
