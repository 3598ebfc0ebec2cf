#include "cli/eval_command.h"

#include <algorithm>
#include <cmath>
#include <iostream>

#include "base/errors.h"
#include "base/number_text.h"
#include "cli/core/progress.h"
#include "cli/json_lines.h"
#include "data/data_losses.h"
#include "infer/answers.h"
#include "io/load_tokenizer.h"
#include "train/evaluate.h"
#include "train/stream_source.h"

namespace svtune {
namespace {

std::int64_t count_of(const EvalCommandOptions& options, const ExampleStore& store) {
  return options.limit > 0 ? std::min(options.limit, store.size()) : store.size();
}

int perplexity(LoadedModel& loaded, const EvalCommandOptions& options,
               const std::shared_ptr<const ExampleStore>& store, CommandContext& context) {
  double total = 0;
  std::int64_t tokens = 0;
  Progress progress({.label = "eval", .unit = "example"});
  const std::int64_t count = count_of(options, *store);
  for (std::int64_t i = 0; i < count;) {
    PackedBatch packed;
    for (std::int64_t n = 0; n < options.batch_size && i < count; ++n, ++i) {
      if (const auto example = store->get(i)) append_document(packed, *example);
    }
    if (packed.supervised.empty()) continue;
    const Batch batch = to_batch(packed);
    total -= loaded.model.net->log_probs(batch).sum().item<double>();
    tokens += batch.num_supervised();
    progress.update({.done = i, .total = count, .loss = total / static_cast<double>(tokens)});
  }
  progress.finish();
  if (tokens == 0) throw FileError(options.data.string(), "no token to predict");
  const double loss = total / static_cast<double>(tokens);
  context.out << "loss " << fixed(loss, 6) << " nats per token, perplexity "
              << fixed(std::exp(loss), 4) << ", " << tokens << " tokens\n";
  return 0;
}

int exact_match(LoadedModel& loaded, const EvalCommandOptions& options, const ExampleStore& store,
                CommandContext& context) {
  const TextOptions text =
      options.answer.text_options(options.model.model, store.encoder().tokenizer());
  std::optional<JsonLinesWriter> writer;
  if (options.answers) writer.emplace(*options.answers);
  Progress progress({.label = "eval", .unit = "question"});
  std::int64_t right = 0, unanswered = 0;
  const std::int64_t count = count_of(options, store);
  for (std::int64_t begin = 0; begin < count; begin += options.batch_size) {
    const std::int64_t end = std::min(count, begin + options.batch_size);
    std::vector<std::vector<std::int32_t>> prompts;
    std::vector<Example> examples;
    for (std::int64_t i = begin; i < end; ++i) {
      examples.push_back(store.example(i));
      prompts.push_back(store.encoder().encode_prompt(examples.back()));
    }
    const auto answers =
        generate_text(*loaded.model.net, store.encoder().tokenizer(), prompts, text);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const auto wanted = reference_answer(examples[i].completion);
      const auto got = extract_answer(answers[i].text);
      const bool match = wanted && got && *wanted == *got;
      right += match ? 1 : 0;
      unanswered += got ? 0 : 1;
      if (!writer) continue;
      Json line{{"prompt", examples[i].prompt},
                {"reference", examples[i].completion},
                {"answer", answers[i].text},
                {"correct", match}};
      line["extracted"] = got ? Json(*got) : Json(nullptr);
      line["expected"] = wanted ? Json(*wanted) : Json(nullptr);
      writer->write(line);
    }
    const std::string note =
        percent(static_cast<double>(right) / static_cast<double>(end)) + " right";
    progress.update({.done = end, .total = count, .note = note});
  }
  progress.finish();
  if (writer) writer->commit();
  const double accuracy = static_cast<double>(right) / static_cast<double>(count);
  const double error = std::sqrt(accuracy * (1 - accuracy) / static_cast<double>(count));
  context.out << "exact match " << percent(accuracy, 2) << " +- " << fixed(100 * error, 2) << " ("
              << right << " of " << count << ", " << unanswered << " without an answer)\n";
  return 0;
}

}  // namespace

int run(const EvalCommandOptions& options, CommandContext& context) {
  if (options.answers && options.task != EvalTask::kExactMatch) {
    throw UsageError("--answers belongs to --task exact-match");
  }
  LoadedModel loaded = load_for_command(options.model);
  const Tokenizer tokenizer = load_tokenizer(options.model.model);
  const auto encoder = std::make_shared<ExampleEncoder>(
      tokenizer, PromptTemplate(options.prompt, tokenizer), EncodeOptions{options.max_length});
  const auto store = std::make_shared<ExampleStore>(options.data, options.reading, encoder);
  for (const std::string& loss : data_losses(*store)) std::cerr << "warning: " << loss << "\n";
  return options.task == EvalTask::kPerplexity ? perplexity(loaded, options, store, context)
                                               : exact_match(loaded, options, *store, context);
}

}  // namespace svtune
