#include "cli/generate_command.h"

#include "base/errors.h"
#include "cli/core/progress.h"
#include "data/encode.h"
#include "data/record_format.h"
#include "formats/json_lines.h"
#include "io/load_tokenizer.h"

namespace svtune {
namespace {

struct Question {
  Json line;
  std::vector<std::int32_t> ids;
};

void answer_prompts(LoadedModel& loaded, const ExampleEncoder& encoder, const TextOptions& text,
                    const std::vector<std::string>& prompts, std::ostream& out) {
  for (const std::string& prompt : prompts) {
    Example example;
    example.prompt = prompt;
    generate_text(*loaded.model.net, encoder.tokenizer(), {encoder.encode_prompt(example)}, text,
                  [&](std::size_t, std::string_view piece) { out << piece << std::flush; });
    out << "\n";
  }
}

void answer_file(LoadedModel& loaded, const ExampleEncoder& encoder, const TextOptions& text,
                 const GenerateCommandOptions& options) {
  JsonLinesWriter writer(options.output);
  Progress progress({.label = "generate", .unit = "prompt"});
  RecordReader reader(RecordFormat::kAuto, options.columns);
  const auto named = options.columns.find("prompt");
  const std::string prompt = named == options.columns.end() ? "prompt" : named->second;
  std::vector<Question> waiting;
  std::int64_t done = 0;
  const auto flush = [&] {
    std::vector<std::vector<std::int32_t>> prompts;
    for (const Question& each : waiting) prompts.push_back(each.ids);
    const auto answers = generate_text(*loaded.model.net, encoder.tokenizer(), prompts, text);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      waiting[i].line["answer"] = answers[i].text;
      writer.write(waiting[i].line);
    }
    done += static_cast<std::int64_t>(waiting.size());
    progress.update({.done = done});
    waiting.clear();
  };
  for_each_json_line(*options.input, [&](std::int64_t number, Json line) {
    Example example;
    if (line.contains(prompt) && line.at(prompt).is_string()) {
      example.prompt = line.at(prompt).get<std::string>();
    } else if (const std::string problem = reader.problem(line); problem.empty()) {
      example = reader.example(line);
    } else {
      throw FileError(line_place(*options.input, number), problem);
    }
    waiting.push_back({std::move(line), encoder.encode_prompt(example)});
    if (static_cast<std::int64_t>(waiting.size()) == options.batch_size) flush();
  });
  flush();
  writer.commit();
}

}  // namespace

int run(const GenerateCommandOptions& options, CommandContext& context) {
  if (options.prompt.empty() == !options.input.has_value()) {
    throw UsageError("give prompts with --prompt or a file with --input");
  }
  if (!options.columns.empty() && !options.input) {
    throw UsageError("--columns names the columns of --input, which is not given",
                     "Add --input FILE, or leave out --columns.");
  }
  LoadedModel loaded = load_for_command(options.model);
  const Tokenizer tokenizer = load_tokenizer(options.model.model);
  const ExampleEncoder encoder(tokenizer, PromptTemplate(options.prompt_options, tokenizer), {});
  for (const std::string& notice : encoder.prompt().notices()) {
    context.err << "warning: " << notice << "\n";
  }
  const TextOptions text = text_options(options.answer, end_tokens(options.model.model, tokenizer));
  if (options.input) {
    answer_file(loaded, encoder, text, options);
  } else {
    answer_prompts(loaded, encoder, text, options.prompt, context.out);
  }
  return 0;
}

}  // namespace svtune
