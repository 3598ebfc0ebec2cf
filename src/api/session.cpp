// The public session over the layers below: each verb is one call into one of them.
#include "svtune/session.h"

#include <algorithm>

#include "adapter_files/loaded_model.h"
#include "api/prepare_torch.h"
#include "api/settings.h"
#include "base/errors.h"
#include "data/encode.h"
#include "eval/evaluate.h"
#include "infer/answer_ends.h"
#include "infer/score.h"
#include "infer/text_generation.h"
#include "io/load_tokenizer.h"
#include "libtorch/prelude.h"
#include "merge/merge.h"
#include "nn/row_route.h"
#include "svtune/memory.h"

namespace svtune {
namespace {

std::optional<at::ScalarType> scalar_type_of(ComputeType type) {
  if (type == ComputeType::kFp32) return at::kFloat;
  if (type == ComputeType::kBf16) return at::kBFloat16;
  return std::nullopt;
}

void check(const AnswerOptions& options) {
  if (options.max_new_tokens < 1) throw UsageError("max_new_tokens must be at least 1");
  if (!(options.temperature >= 0)) throw UsageError("temperature must be at least 0");
  if (options.top_k < 0) throw UsageError("top_k must be at least 0");
  if (!(options.top_p > 0 && options.top_p <= 1)) throw UsageError("top_p must be in (0, 1]");
}

std::vector<NamedPath> named_paths(const SessionOptions& options) {
  if (options.adapter && !options.adapters.empty()) {
    throw UsageError("SessionOptions::adapter does not go with SessionOptions::adapters",
                     "Name all of them in adapters.");
  }
  std::vector<NamedPath> list;
  for (const NamedAdapter& each : options.adapters) {
    if (each.name.empty()) {
      throw UsageError("SessionOptions::adapters: " + each.path.string() + " has no name");
    }
    if (std::ranges::count(list, each.name, &NamedPath::name) > 0) {
      throw UsageError("SessionOptions::adapters: two are called \"" + each.name + "\"");
    }
    list.push_back({each.name, each.path, true});
  }
  return list;
}

class Warnings final : public EvalObserver {
 public:
  explicit Warnings(std::vector<std::string>& list) : list_(list) {}
  void warning(const std::string& text) override { list_.push_back(text); }

 private:
  std::vector<std::string>& list_;
};

}  // namespace

struct Session::State : LoadedModel {
  State(LoadedModel loaded, std::vector<NamedPath> named)
      : LoadedModel(std::move(loaded)), adapter_list(std::move(named)) {}

  std::vector<NamedPath> adapter_list;  // of a session with named ones
  mutable std::optional<Tokenizer> loaded_tokenizer;

  // As Batch::adapters has it; `what` is the option that holds the name.
  std::int32_t index_of(const std::string& name, const std::string& what) const {
    require_names(what);
    return static_cast<std::int32_t>(index_of_name(adapter_list, name, what));
  }

  // Of `count` texts: each has a name, or none has.
  std::vector<std::int32_t> indices_of(const std::vector<AdapterName>& names, std::size_t count,
                                       const std::string& what) const {
    if (names.empty()) return {};
    require_names(what);
    if (names.size() != count) {
      throw UsageError(what + ": got " + std::to_string(names.size()) + " names for " +
                           std::to_string(count) + " texts",
                       "Give one for each text, or none.");
    }
    std::vector<std::int32_t> indices;
    for (const AdapterName& each : names) {
      indices.push_back(each ? index_of(*each, what) : kNoAdapter);
    }
    return indices;
  }

  void require_names(const std::string& what) const {
    if (!adapter_list.empty()) return;
    throw UsageError(what + ": the session has no adapters with names",
                     "Give them in SessionOptions::adapters.");
  }

  // Read when it is first needed: scoring ids takes none.
  const Tokenizer& tokenizer() const {
    if (!loaded_tokenizer) loaded_tokenizer = load_tokenizer(model.path);
    return *loaded_tokenizer;
  }
};

Session::Session(const SessionOptions& options) {
  if (options.threads < 0) throw UsageError("threads must be at least 0");
  const ThreadChoice threads = prepare_torch(options.threads);
  LoadOptions load;
  load.dtype = scalar_type_of(options.compute);
  std::vector<NamedPath> named = named_paths(options);
  LoadedModel loaded = named.empty() ? load_with_adapter(options.model, options.adapter, load)
                                     : load_with_adapters(options.model, named, load);
  state_ = std::make_unique<State>(std::move(loaded), std::move(named));
  for (const std::string& warning : threads.warnings) state_->warnings.push_back(warning);
}

Session::~Session() {
  if (!state_) return;
  state_.reset();
  release_memory();
}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&& other) noexcept {
  const Session replaced(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

const std::vector<std::string>& Session::warnings() const { return state_->warnings; }

std::int64_t Session::vocabulary_size() const { return state_->model.spec().vocab_size; }

std::vector<std::int32_t> Session::encode(std::string_view text, bool special_tokens) const {
  return state_->tokenizer().encode(text, special_tokens);
}

std::string Session::decode(const std::vector<std::int32_t>& ids, bool special_tokens) const {
  return state_->tokenizer().decode(ids, !special_tokens);
}

std::vector<std::vector<float>> Session::score(
    const std::vector<std::vector<std::int32_t>>& sequences,
    const std::vector<AdapterName>& adapters) {
  const auto indices = state_->indices_of(adapters, sequences.size(), "Session::score: adapters");
  return score_sequences(*state_->model.net, sequences, kScoreBatchTokens, indices);
}

std::vector<std::string> Session::answer(const std::vector<std::string>& prompts,
                                         const AnswerOptions& options,
                                         const AnswerCallback& on_text) {
  check(options);
  std::vector<std::int32_t> adapters =
      state_->indices_of(options.adapters, prompts.size(), "AnswerOptions::adapters");
  if (prompts.empty()) return {};
  const Tokenizer& tokenizer = state_->tokenizer();
  PromptOptions prompt_options;
  if (options.raw_prompt) prompt_options.style = PromptStyle::kRaw;
  std::vector<std::string> warnings;
  const PromptTemplate prompt =
      choose_prompt(prompt_options, tokenizer, state_->trained_prompt(), warnings);
  for (const std::string& warning : warnings) {
    if (std::ranges::count(state_->warnings, warning) == 0) state_->warnings.push_back(warning);
  }
  const ExampleEncoder encoder(tokenizer, prompt, {});
  std::vector<std::vector<std::int32_t>> ids;
  for (const std::string& prompt : prompts) {
    Example example;
    example.prompt = prompt;
    ids.push_back(encoder.encode_prompt(example));
  }
  TextOptions text;
  text.tokens.max_new_tokens = options.max_new_tokens;
  text.tokens.sampling = {options.temperature, options.top_k, options.top_p, options.seed};
  const AnswerEnds ends = answer_ends(state_->model.path, tokenizer, prompt);
  text.tokens.end_tokens = ends.ids;
  text.tokens.adapters = std::move(adapters);
  text.stop = options.stop;
  text.stop.insert(text.stop.end(), ends.texts.begin(), ends.texts.end());
  std::vector<std::string> answers;
  for (TextAnswer& each : generate_text(*state_->model.net, tokenizer, ids, text, on_text)) {
    answers.push_back(std::move(each.text));
  }
  return answers;
}

Evaluation Session::evaluate(const EvaluateOptions& options) {
  std::vector<FieldInput> inputs =
      setting_inputs(options.settings, "EvaluateOptions", {"data", "task"});
  inputs.push_back(text_input("task", options.task));
  EvalOptions resolved;
  assign_fields([&resolved] { return list_fields(resolved); }, inputs,
                describe_fields<EvalOptions>());
  resolved.data = options.data;
  if (!options.adapter.empty()) {
    resolved.adapter = state_->index_of(options.adapter, "EvaluateOptions::adapter");
  }
  if (resolved.data.empty()) throw UsageError("data must be given");
  Evaluation evaluation;
  Warnings observer(evaluation.warnings);
  const Tokenizer* tokenizer = state_->model.spec().image ? nullptr : &state_->tokenizer();
  const Score score = svtune::evaluate(*state_, tokenizer, resolved, observer);
  for (const Figure& each : score.figures) evaluation.figures[each.name] = each.value;
  evaluation.text = score.text;
  return evaluation;
}

MergeSummary Session::merge(const std::filesystem::path& directory) const {
  if (!state_->adapter) throw UsageError("there is no adapter to merge");
  if (state_->routed()) {
    throw UsageError("a session of named adapters does not say which one to merge",
                     "Open one with that adapter alone, as SessionOptions::adapter.");
  }
  MergeOptions options;
  options.prompt = state_->adapter->record.prompt;
  const MergeReport report =
      merge_to_directory(state_->model, state_->adapter->adapters, directory, options);
  return {report.largest_name, report.largest, report.bytes};
}

}  // namespace svtune
