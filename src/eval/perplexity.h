// Mean negative log likelihood: the task `perplexity`, and the evaluation while training.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "data/encode.h"
#include "eval/label_metrics.h"
#include "eval/task.h"
#include "nn/batch.h"

namespace svtune {

struct MeanLoss {
  double loss = 0;        // mean over what is supervised (nn/batch.h); NaN without any
  double perplexity = 0;  // exp(loss), of words
  std::int64_t tokens = 0;
  std::int64_t supervised_tokens = 0;
  std::vector<Measured> metrics = {};  // where documents have labels
};

// Adds up batches without gradients. Dropout must be off (AdapterSet::begin_micro_batch).
class LossMeter {
 public:
  void add(Network& net, const Batch& batch);
  MeanLoss mean() const;

 private:
  double sum_ = 0;
  std::int64_t tokens_ = 0, supervised_ = 0;
};

struct Perplexity {
  static constexpr std::string_view kName = "perplexity";
  static constexpr std::string_view kSummary = "loss on the answers of the data";
  static constexpr bool kPrompted = true;
  std::int64_t max_length = 2048;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit_max_length(self.max_length, visit);
  }
};

EncodeOptions encoding_of(const Perplexity& task);
// Figures: loss, perplexity, tokens (supervised). Throws FileError when the data hold no token
// to predict, RunError when the loss is not finite.
Score run_task(const Perplexity& task, const EvalInput& input);

}  // namespace svtune
