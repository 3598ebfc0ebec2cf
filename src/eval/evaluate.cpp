#include "eval/evaluate.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "data/data_losses.h"
#include "data/trained_prompt.h"
#include "libtorch/prelude.h"

namespace svtune {

double Score::figure(std::string_view name) const {
  for (const Figure& each : figures) {
    if (each.name == name) return each.value;
  }
  throw std::out_of_range("no figure " + std::string(name));
}

namespace {

std::int64_t count_of(const EvalOptions& options, std::int64_t size) {
  return options.limit > 0 ? std::min(options.limit, size) : size;
}

template <class Task>
Score evaluate_language(const Task& task, LoadedModel& loaded, const Tokenizer& tokenizer,
                        const EvalOptions& options, EvalObserver& observer) {
  std::vector<std::string> warnings;
  const PromptTemplate prompt =
      choose_prompt(options.prompt, tokenizer, loaded.trained_prompt(), warnings);
  for (const std::string& warning : warnings) observer.warning(warning);
  const auto encoder = std::make_shared<ExampleEncoder>(tokenizer, prompt, encoding_of(task));
  const ExampleStore data(options.data, options.reading, encoder);
  for (const std::string& loss : data_losses(data)) observer.warning(loss);
  const EvalInput input{*loaded.model.net,
                        data,
                        count_of(options, data.size()),
                        options.batch_size,
                        answer_ends(loaded.model.path, tokenizer, prompt),
                        observer};
  return run_task(task, input);
}

Score evaluate_labels(const LabelTask& task, std::optional<LabelSet> labels, LoadedModel& loaded,
                      const Tokenizer& tokenizer, const EvalOptions& options,
                      EvalObserver& observer) {
  LabelledOptions reading = task.reading;
  reading.skip_bad_lines = options.reading.skip_bad_lines;
  const LabelledStore data(
      read_labelled(options.data, reading), tokenizer,
      LabelledStoreOptions{task.max_length, std::move(labels), reading.skip_bad_lines});
  for (const std::string& loss : data.losses()) observer.warning(loss);
  return run_label_task(task, {*loaded.model.net, data, count_of(options, data.size()),
                               options.batch_size, observer});
}

struct Evaluation {
  LoadedModel& loaded;
  const Tokenizer& tokenizer;
  const EvalOptions& options;
  EvalObserver& observer;

  Score operator()(const Classification& task) const {
    return evaluate_labels(task, model_labels(loaded.model, task.labels), loaded, tokenizer,
                           options, observer);
  }
  Score operator()(const Regression& task) const {
    return evaluate_labels(task, std::nullopt, loaded, tokenizer, options, observer);
  }
  Score operator()(const auto& task) const {
    return evaluate_language(task, loaded, tokenizer, options, observer);
  }
};

}  // namespace

Score evaluate(LoadedModel& loaded, const Tokenizer& tokenizer, const EvalOptions& options,
               EvalObserver& observer) {
  return std::visit(Evaluation{loaded, tokenizer, options, observer}, options.task);
}

}  // namespace svtune
