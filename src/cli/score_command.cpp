#include "cli/score_command.h"

#include "cli/core/progress.h"
#include "cli/token_lines.h"
#include "formats/json_lines.h"
#include "infer/score.h"
#include "io/load_tokenizer.h"

namespace svtune {
namespace {

constexpr std::size_t kLinesAtATime = 256;

struct Line {
  Json value;
  std::vector<std::int32_t> ids;
};

void flush(LoadedModel& loaded, std::vector<Line>& lines, std::int64_t batch_tokens,
           JsonLinesWriter& writer) {
  std::vector<std::vector<std::int32_t>> sequences;
  for (const Line& line : lines) sequences.push_back(line.ids);
  const auto scores = score_sequences(*loaded.model.net, sequences, batch_tokens);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].value["ids"] = lines[i].ids;
    lines[i].value["logprobs"] = scores[i];
    writer.write(lines[i].value);
  }
  lines.clear();
}

}  // namespace

int run(const ScoreOptions& options) {
  LoadedModel loaded = load_for_command(options.model);
  std::optional<Tokenizer> tokenizer;
  JsonLinesWriter writer(options.output);
  Progress progress({.label = "score", .unit = "line"});
  std::vector<Line> lines;
  for_each_json_line(options.input, [&](std::int64_t number, Json value) {
    const std::string place = line_place(options.input, number);
    Line line;
    if (value.contains("ids") || !value.contains("text")) {
      line.ids = ids_of(value, place);
    } else {
      if (!tokenizer) tokenizer = load_tokenizer(options.model.model);
      line.ids = tokenizer->encode(text_of(value, place), true);
    }
    line.value = std::move(value);
    lines.push_back(std::move(line));
    if (lines.size() == kLinesAtATime) {
      flush(loaded, lines, options.batch_tokens, writer);
      progress.update({.done = number});
    }
  });
  flush(loaded, lines, options.batch_tokens, writer);
  writer.commit();
  return 0;
}

}  // namespace svtune
