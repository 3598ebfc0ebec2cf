// A loaded model, with adapters or without: log-probabilities, answers, evaluations, merged
// weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace svtune {

enum class ComputeType { kAuto, kFp32, kBf16 };  // kAuto: the checkpoint's where it is fast

struct NamedAdapter {
  std::string name;
  std::filesystem::path path;  // svtune's or PEFT's
};

// One of SessionOptions::adapters; nullopt is the model alone.
using AdapterName = std::optional<std::string>;

struct SessionOptions {
  std::filesystem::path model;                        // Hugging Face directory or .gguf file
  std::optional<std::filesystem::path> adapter = {};  // svtune's or PEFT's
  // Instead of `adapter`: several, of any methods, among which each text and example chooses. They
  // may not train whole tensors, biases or rows of the embedding, unless they are adapters of
  // encoders or image models with their own heads, for evaluate().
  std::vector<NamedAdapter> adapters = {};
  ComputeType compute = ComputeType::kAuto;
  // Of the whole process; 0: OMP_NUM_THREADS where it is set, else one per core it may use.
  int threads = 0;
};

struct AnswerOptions {
  std::int64_t max_new_tokens = 256;
  double temperature = 0;  // 0 takes the likeliest token
  std::int64_t top_k = 0;  // 0: all
  double top_p = 1;        // (0, 1]
  std::uint64_t seed = 0;
  std::vector<std::string> stop = {};  // texts that end an answer and are cut off
  // The prompt as it is; otherwise it is put into the template that model or adapter was trained
  // with here, else into the model's chat template, or into Alpaca's when it has none.
  bool raw_prompt = false;
  std::vector<AdapterName> adapters = {};  // of each prompt; empty: the session's first for all
};

// Called with each piece of text of prompt `index` that cannot change any more.
using AnswerCallback = std::function<void(std::size_t index, std::string_view piece)>;

struct MergeSummary {
  std::string largest_name;  // weight that changed most
  double largest = 0;        // max |W' - W| there
  std::uint64_t bytes = 0;   // of the weights written
};

struct EvaluateOptions {
  std::filesystem::path data;       // examples in any training format
  std::string task = "perplexity";  // perplexity, exact-match, classify, regress, tag, mask
  // Any other option of `svtune eval`, as in docs/options.md but with underscores:
  // {{"limit", "100"}, {"max_new_tokens", "256"}}.
  std::map<std::string, std::string> settings = {};
  // Of SessionOptions::adapters, for examples without a field "adapter" of their own; empty: the
  // first.
  std::string adapter = {};
};

struct Evaluation {
  // By name. perplexity: loss (nats per token), perplexity, tokens; exact-match: accuracy and
  // standard_error (both of 1), right, questions, unanswered; mask: loss (nats per hidden token),
  // perplexity, accuracy (of 1), tokens.
  std::map<std::string, double> figures;
  std::string text;                   // the same in one line
  std::vector<std::string> warnings;  // what of the data is left out
};

// Not to be used from two threads at once. A moved-from session may only be destroyed or assigned.
class Session {
 public:
  // Throws when a file is missing or malformed, when the model is not supported, when an adapter
  // belongs to another model, or when two have one name.
  explicit Session(const SessionOptions& options);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // What the files hold beyond what is used, and prompts written in another way than in training.
  const std::vector<std::string>& warnings() const;
  std::int64_t vocabulary_size() const;  // rows of the embedding

  // Both throw when the model has no tokenizer.
  std::vector<std::int32_t> encode(std::string_view text, bool special_tokens = true) const;
  std::string decode(const std::vector<std::int32_t>& ids, bool special_tokens = false) const;

  // result[s][i] = log p(ids[i+1] | ids[..i]) of sequence s: one value fewer than ids.
  // `adapters` has the name of each sequence's; empty: the session's first for all. Throws for ids
  // outside the vocabulary and for names that the session does not have.
  std::vector<std::vector<float>> score(const std::vector<std::vector<std::int32_t>>& sequences,
                                        const std::vector<AdapterName>& adapters = {});

  // Answers all prompts as one batch; the same seed gives the same answers.
  std::vector<std::string> answer(const std::vector<std::string>& prompts,
                                  const AnswerOptions& options = {},
                                  const AnswerCallback& on_text = {});

  // Measures a task on a file of examples. Throws for options that do not exist or do not belong
  // to the task, for data that are missing or malformed, and for a loss that is not finite.
  Evaluation evaluate(const EvaluateOptions& options);

  // Writes a model directory with the adapter's effect in the weights, in the model's dtype.
  // Throws when there is no adapter or more than one to choose from, or the directory exists.
  MergeSummary merge(const std::filesystem::path& directory) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace svtune
