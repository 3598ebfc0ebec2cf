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

constexpr const char* kAnswerField = "answer";

// What the lines of --input hold.
struct Seen {
  explicit Seen(const ColumnMap& columns) : reader(columns) {}
  QuestionReader reader;
  EncodeStats stats;                  // of their messages
  std::int64_t replaced_answers = 0;  // that the output has the model's answer in place of

  void count(const Json& line, const Example& example, const TokenizedExample& prompt,
             const PromptTemplate& written) {
    ++stats.examples;
    stats.folded += prompt.folded_system ? 1 : 0;
    stats.lost += prompt.lost_messages;
    for (const std::string& field : written.unread_fields(example)) ++stats.unread_fields[field];
    const auto answer = line.find(kAnswerField);
    replaced_answers += answer != line.end() && !is_empty_value(*answer) ? 1 : 0;
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
  if (seen.replaced_answers == 0) return;
  context.warn(name + ": " + std::to_string(seen.replaced_answers) + " of " +
               std::to_string(seen.stats.examples) + " lines have a column \"" + kAnswerField +
               "\", which holds the model's answer in the output");
}

// The questions of --input, one after another.
void for_each_question(const GenerateCommandOptions& options, const LoadedModel& loaded,
                       const ExampleEncoder& encoder, Seen& seen,
                       const std::function<void(Question)>& each) {
  const std::int64_t vocab = loaded.model.spec().vocab_size;
  for_each_json_line(*options.input, [&](std::int64_t number, Json line) {
    const std::string place = line_place(*options.input, number);
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
        waiting[i].line[kAnswerField] = answers[i].text;
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
