#include "eval/evaluate.h"

#include <algorithm>
#include <stdexcept>

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

Score evaluate(LoadedModel& loaded, const Tokenizer& tokenizer, const EvalOptions& options,
               EvalObserver& observer) {
  std::vector<std::string> warnings;
  const PromptTemplate prompt =
      choose_prompt(options.prompt, tokenizer, loaded.trained_prompt(), warnings);
  for (const std::string& warning : warnings) observer.warning(warning);
  return std::visit(
      [&](const auto& task) {
        const auto encoder = std::make_shared<ExampleEncoder>(tokenizer, prompt, encoding_of(task));
        const ExampleStore data(options.data, options.reading, encoder);
        for (const std::string& loss : data_losses(data)) observer.warning(loss);
        const std::int64_t count =
            options.limit > 0 ? std::min(options.limit, data.size()) : data.size();
        const EvalInput input{*loaded.model.net,
                              data,
                              count,
                              options.batch_size,
                              answer_ends(loaded.model.path, tokenizer, prompt),
                              observer};
        return run_task(task, input);
      },
      options.task);
}

}  // namespace svtune
