#include "cli/generate_command.h"

#include <functional>

#include "base/errors.h"
#include "cli/core/progress.h"
#include "cli/questions.h"
#include "data/data_losses.h"
#include "data/encode.h"
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

// What the lines of --input hold beside what makes their prompts.
void tell_columns(const QuestionReader& reader, const GenerateCommandOptions& options,
                  const LoadedModel& loaded, const PromptTemplate& prompt,
                  CommandContext& context) {
  reader.check_mapped_columns();
  const char* routing = loaded.routed() ? kAdapterField : "";
  const std::string unused = unused_columns(reader.column_counts(), prompt, routing);
  const std::string name = *options.input == "-" ? "standard input" : options.input->string();
  if (!unused.empty()) context.warn(name + ": " + unused);
}

// The questions of --input, one after another.
void for_each_question(const GenerateCommandOptions& options, const LoadedModel& loaded,
                       const ExampleEncoder& encoder, QuestionReader& reader,
                       const std::function<void(Question)>& each) {
  const std::int64_t vocab = loaded.model.spec().vocab_size;
  for_each_json_line(*options.input, [&](std::int64_t number, Json line) {
    const std::string place = line_place(*options.input, number);
    const Example example = reader.question(line, place);
    std::vector<std::int32_t> ids;
    try {
      ids = encoder.encode_prompt(example);
      require_prompt(ids, vocab);
    } catch (const UsageError&) {
      throw;
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
    QuestionReader reader(options.columns);
    for_each_question(options, loaded, encoder, reader, [](const Question&) {});
    tell_columns(reader, options, loaded, encoder.prompt(), context);
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
        waiting[i].line["answer"] = answers[i].text;
        writer.write(waiting[i].line);
      }
      text.tokens.first_index += waiting.size();
      progress.update({.done = static_cast<std::int64_t>(text.tokens.first_index)});
      waiting.clear();
    };
    QuestionReader reader(options.columns);
    for_each_question(options, loaded, encoder, reader, [&](Question question) {
      waiting.push_back(std::move(question));
      if (static_cast<std::int64_t>(waiting.size()) == options.batch_size) flush();
    });
    flush();
    progress.finish();
    if (!twice) tell_columns(reader, options, loaded, encoder.prompt(), context);
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
