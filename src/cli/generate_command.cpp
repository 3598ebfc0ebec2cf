#include "cli/generate_command.h"

#include <functional>
#include <utility>

#include "base/errors.h"
#include "cli/core/progress.h"
#include "cli/questions.h"
#include "data/data_losses.h"
#include "data/encode.h"
#include "data/turns.h"
#include "formats/json_lines.h"
#include "infer/generate.h"
#include "io/load_tokenizer.h"

namespace svtune {
namespace {

struct Question {
  Json line;
  std::vector<std::int32_t> ids;
  std::int32_t adapter = 0;
};

constexpr const char *kAnswer = "answer", *kReference = "reference";

// The data's own, which stays beside the model's, as eval --answers names it.
bool has_answer(const Json& line) {
  const auto own = line.find(kAnswer);
  return own != line.end() && !is_empty_value(*own);
}

void add_answer(Json& line, const std::string& text) {
  if (has_answer(line)) {
    Json reference = std::move(line[kAnswer]);
    line[kReference] = std::move(reference);
  }
  line[kAnswer] = text;
}

void require_place_for_answer(const Json& line, const std::string& place) {
  if (!has_answer(line) || !line.contains(kReference)) return;
  throw FileError(place,
                  "has the columns answer and reference; the answer of the model would take the "
                  "place of one of them",
                  "Give one of them another name.");
}

void answer_prompts(LoadedModel& loaded, const ExampleEncoder& encoder, TextOptions text,
                    const std::vector<std::string>& prompts, std::ostream& out) {
  for (const std::string& prompt : prompts) {
    Example example;
    example.prompt = prompt;
    generate_text(*loaded.model.net, encoder.tokenizer(), {encoder.encode_prompt(example)}, text,
                  [&](std::size_t, std::string_view piece) { out << piece << std::flush; });
    ++text.tokens.first_index;
    out << "\n";
  }
}

// What the lines of --input hold.
struct Seen {
  explicit Seen(const ColumnMap& columns) : reader(columns) {}
  QuestionReader reader;
  EncodeStats stats;               // of their messages
  std::int64_t moved_answers = 0;  // that the output has as references
  std::int64_t replaced = 0;       // lines with lone surrogates

  void count(const Json& line, const Example& example, const TokenizedExample& prompt,
             const PromptTemplate& written) {
    ++stats.examples;
    stats.folded += prompt.folded_system ? 1 : 0;
    stats.lost += prompt.lost_messages;
    for (const std::string& field : written.unread_fields(example)) ++stats.unread_fields[field];
    moved_answers += has_answer(line) ? 1 : 0;
  }
};

// What the lines of --input hold beside what makes their prompts.
void tell_losses(const Seen& seen, const GenerateCommandOptions& options, const LoadedModel& loaded,
                 const PromptTemplate& prompt, CommandContext& context) {
  seen.reader.check_mapped_columns();
  const char* routing = loaded.routed() ? kAdapterField : "";
  const std::string unused = unused_columns(seen.reader.column_counts(), prompt, routing);
  const std::string name = line_source(*options.input);
  if (seen.stats.examples == 0) context.warn(name + ": no line with a prompt");
  if (!unused.empty()) context.warn(name + ": " + unused);
  for (const std::string& loss : message_losses(name, seen.stats)) context.warn(loss);
  const std::string replaced = surrogates_text(name, seen.replaced, "line");
  if (!replaced.empty()) context.warn(replaced);
  if (seen.moved_answers == 0) return;
  context.warn(name + ": the column answer of " + std::to_string(seen.moved_answers) +
               (seen.moved_answers == 1 ? " line" : " lines") +
               " is written as reference, beside the model's answer");
}

// The questions of --input, one after another.
void for_each_question(const GenerateCommandOptions& options, const LoadedModel& loaded,
                       const ExampleEncoder& encoder, Seen& seen,
                       const std::function<void(Question)>& each) {
  const std::int64_t vocab = loaded.model.spec().vocab_size;
  seen.replaced = for_each_json_line(*options.input, [&](std::int64_t number, Json line) {
    const std::string place = line_place(*options.input, number);
    require_place_for_answer(line, place);
    const Example example = seen.reader.question(line, place);
    std::vector<std::int32_t> ids;
    try {
      TokenizedExample prompt = encoder.prompt_of(example);
      seen.count(line, example, prompt, encoder.prompt());
      ids = std::move(prompt.ids);
      require_prompt(ids, vocab);
    } catch (const UsageError& error) {
      throw UsageError(place + ": " + error.what(), error.hint());
    } catch (const Error& error) {
      throw FileError(place, error.what(), error.hint());
    }
    const std::int32_t adapter = loaded.routed() ? loaded.adapter_of(line, place) : 0;
    each({std::move(line), std::move(ids), adapter});
  });
}

void answer_file(LoadedModel& loaded, const ExampleEncoder& encoder, TextOptions text,
                 const GenerateCommandOptions& options, CommandContext& context) {
  const bool twice = can_reread(*options.input);
  if (twice) {
    // A malformed line is found before hours of answers, not after them.
    Seen seen(options.columns);
    for_each_question(options, loaded, encoder, seen, [](const Question&) {});
    tell_losses(seen, options, loaded, encoder.prompt(), context);
  }
  Progress progress({.label = "generate", .unit = "prompt"});
  write_json_lines(options.output, [&](JsonLinesWriter& writer) {
    std::vector<Question> waiting;
    const auto flush = [&] {
      std::vector<std::vector<std::int32_t>> prompts;
      text.tokens.adapters.clear();
      for (const Question& each : waiting) {
        prompts.push_back(each.ids);
        if (loaded.routed()) text.tokens.adapters.push_back(each.adapter);
      }
      const auto answers = generate_text(*loaded.model.net, encoder.tokenizer(), prompts, text);
      for (std::size_t i = 0; i < waiting.size(); ++i) {
        add_answer(waiting[i].line, answers[i].text);
        writer.write(waiting[i].line);
      }
      text.tokens.first_index += waiting.size();
      progress.update({.done = static_cast<std::int64_t>(text.tokens.first_index)});
      waiting.clear();
    };
    Seen seen(options.columns);
    for_each_question(options, loaded, encoder, seen, [&](Question question) {
      waiting.push_back(std::move(question));
      if (static_cast<std::int64_t>(waiting.size()) == options.batch_size) flush();
    });
    flush();
    progress.finish();
    if (!twice) tell_losses(seen, options, loaded, encoder.prompt(), context);
  });
}

}  // namespace

int run(const GenerateCommandOptions& options, CommandContext& context) {
  if (options.prompt.empty() && !options.input) {
    throw UsageError("give prompts with --prompt or a file with --input");
  }
  LoadedModel loaded = load_for_command(options.model, context);
  const Tokenizer tokenizer = load_tokenizer(options.model.model);
  const PromptTemplate prompt =
      prompt_for_command(loaded, options.prompt_options, tokenizer, context);
  const ExampleEncoder encoder(tokenizer, prompt, {});
  const TextOptions text =
      text_options(options.answer, answer_ends(options.model.model, tokenizer, prompt));
  if (options.input) {
    answer_file(loaded, encoder, text, options, context);
  } else {
    answer_prompts(loaded, encoder, text, options.prompt, context.out);
  }
  return 0;
}

}  // namespace svtune
