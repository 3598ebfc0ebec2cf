#include "cli/score_command.h"

#include <functional>
#include <optional>

#include "base/errors.h"
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
  std::int32_t adapter = 0;
  std::int64_t number = 0;
};

// One line of the input as token ids that the model knows.
class LineReader {
 public:
  LineReader(const ScoreOptions& options, const LoadedModel& loaded)
      : options_(options), loaded_(loaded), vocab_(loaded.model.spec().vocab_size) {}

  // Returns how many of them hold lone surrogates.
  std::int64_t for_each(const std::function<void(Line line)>& each) {
    return for_each_json_line(options_.input, [&](std::int64_t number, Json value) {
      const std::string place = line_place(options_.input, number);
      std::vector<std::int32_t> ids = read(value, place);
      const std::int32_t adapter = loaded_.routed() ? loaded_.adapter_of(value, place) : 0;
      each({std::move(value), std::move(ids), adapter, number});
    });
  }

 private:
  std::vector<std::int32_t> read(const Json& value, const std::string& place) {
    const bool is_text = !has_value(value, "ids") && has_value(value, "text");
    if (is_text && !tokenizer_) tokenizer_ = load_tokenizer(options_.model.model);
    std::vector<std::int32_t> ids =
        is_text ? tokenizer_->encode(text_of(value, place), true) : ids_of(value, place);
    for (const std::int32_t id : ids) {
      if (id < vocab_) continue;
      throw ModelError(place + ": has token id " + std::to_string(id) + ", the model knows 0 to " +
                           std::to_string(vocab_ - 1),
                       "Was the text tokenised for another model?");
    }
    return ids;
  }

  const ScoreOptions& options_;
  const LoadedModel& loaded_;
  std::int64_t vocab_;
  std::optional<Tokenizer> tokenizer_;
};

void flush(LoadedModel& loaded, std::vector<Line>& lines, const ScoreOptions& options,
           JsonLinesWriter& writer) {
  std::vector<std::vector<std::int32_t>> sequences;
  std::vector<std::int32_t> adapters;
  for (const Line& line : lines) {
    sequences.push_back(line.ids);
    if (loaded.routed()) adapters.push_back(line.adapter);
  }
  const auto scores =
      score_sequences(*loaded.model.net, sequences, options.batch_tokens, adapters,
                      [&](std::size_t i) { return line_place(options.input, lines[i].number); });
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i].value["ids"] = lines[i].ids;
    lines[i].value["logprobs"] = scores[i];
    writer.write(lines[i].value);
  }
  lines.clear();
}

}  // namespace

int run(const ScoreOptions& options, CommandContext& context) {
  LoadedModel loaded = load_for_command(options.model, context);
  loaded.model.net->require_next_words();
  LineReader reader(options, loaded);
  // A malformed line is found before the work, not after it.
  if (can_reread(options.input)) reader.for_each([](const Line&) {});
  Progress progress({.label = "score", .unit = "line"});
  write_json_lines(options.output, [&](JsonLinesWriter& writer) {
    std::vector<Line> lines;
    bool some = false;
    const std::int64_t replaced = reader.for_each([&](Line line) {
      some = true;
      const std::int64_t number = line.number;
      lines.push_back(std::move(line));
      if (lines.size() < kLinesAtATime) return;
      flush(loaded, lines, options, writer);
      progress.update({.done = number});
    });
    flush(loaded, lines, options, writer);
    const std::string name = line_source(options.input);
    if (!some) context.warn(name + ": no line with a text or ids");
    const std::string text = surrogates_text(name, replaced, "line");
    if (!text.empty()) context.warn(text);
  });
  return 0;
}

}  // namespace svtune
