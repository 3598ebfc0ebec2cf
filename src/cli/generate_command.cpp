#include "cli/generate_command.h"

#include <functional>
#include <set>

#include "base/errors.h"
#include "cli/core/progress.h"
#include "cli/questions.h"
#include "data/encode.h"
#include "formats/json_lines.h"
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

// Tells once of each part that questions have and the prompt's template has no place for.
class UnreadParts {
 public:
  explicit UnreadParts(CommandContext& context) : context_(context) {}

  void look_at(const Example& example, const PromptTemplate& prompt, const std::string& place) {
    tell("system", !example.system.empty(), prompt, place);
    tell("history", !example.history.is_null(), prompt, place);
    tell("tools", !example.tools.is_null(), prompt, place);
  }

 private:
  void tell(const std::string& part, bool present, const PromptTemplate& prompt,
            const std::string& place) {
    if (!present || prompt.reads(part) || !told_.insert(part).second) return;
    context_.warn(place + ": the prompt's template has no place for " + part +
                  ", which is not used, here and on other lines");
  }

  CommandContext& context_;
  std::set<std::string> told_;
};

// The questions of --input, one after another.
void for_each_question(const GenerateCommandOptions& options, const LoadedModel& loaded,
                       const ExampleEncoder& encoder, UnreadParts& unread,
                       const std::function<void(Question)>& each) {
  QuestionReader reader(options.columns);
  for_each_json_line(*options.input, [&](std::int64_t number, Json line) {
    const std::string place = line_place(*options.input, number);
    const Example example = reader.question(line, place);
    unread.look_at(example, encoder.prompt(), place);
    std::vector<std::int32_t> ids;
    try {
      ids = encoder.encode_prompt(example);
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
  UnreadParts unread(context);
  // A malformed line is found before hours of answers, not after them.
  if (can_reread(*options.input))
    for_each_question(options, loaded, encoder, unread, [](const Question&) {});
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
    for_each_question(options, loaded, encoder, unread, [&](Question question) {
      waiting.push_back(std::move(question));
      if (static_cast<std::int64_t>(waiting.size()) == options.batch_size) flush();
    });
    flush();
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
