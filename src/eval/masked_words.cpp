#include "eval/masked_words.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/errors.h"
#include "base/number_text.h"
#include "eval/adapter_batches.h"
#include "libtorch/prelude.h"
#include "nn/batch.h"

namespace svtune {
namespace {

constexpr std::int64_t kFoundLogits = 1 << 22;  // alive at a time, about

// Loss and right answers, added up over batches without gradients.
struct FoundWords {
  double loss_sum = 0;
  std::int64_t tokens = 0, right = 0;

  double loss() const { return loss_sum / static_cast<double>(tokens); }
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(tokens); }

  void add(Network& net, const Batch& batch) {
    const at::NoGradGuard no_grad;
    const at::Tensor rows = net.forward(batch).index_select(0, batch.supervised);
    const std::int64_t count = rows.size(0);
    const std::int64_t step = std::max<std::int64_t>(16, kFoundLogits / net.head().out_features());
    for (std::int64_t begin = 0; begin < count; begin += step) {
      const std::int64_t tile = std::min(step, count - begin);
      const at::Tensor targets = batch.targets.narrow(0, begin, tile);
      const at::Tensor logits = net.logits(rows.narrow(0, begin, tile));
      const at::Tensor log_probs = at::log_softmax(logits, -1).gather(1, targets.unsqueeze(1));
      loss_sum -= log_probs.sum(at::kDouble).item<double>();
      right += logits.argmax(-1).eq(targets).sum().item<std::int64_t>();
    }
    tokens += count;
  }
};

Score found_words_score(const FoundWords& found) {
  const double loss = found.loss(), perplexity = std::exp(loss);
  const std::string text = "loss " + fixed(loss, 6) + " nats per hidden token, perplexity " +
                           fixed(perplexity, 4) + ", " + fixed(100 * found.accuracy(), 2) +
                           " % of " + std::to_string(found.tokens) + " found";
  return {{{"loss", loss},
           {"perplexity", perplexity},
           {"accuracy", found.accuracy()},
           {"tokens", static_cast<double>(found.tokens)}},
          text};
}

}  // namespace

void check_model(const MaskedWords& /*task*/, const LoadedModel& loaded,
                 const Tokenizer* tokenizer) {
  for (const Model* model : loaded.models()) {
    const ArchSpec& spec = model->spec();
    if (spec.task != HeadTask::kMasked) {
      throw UsageError("--task mask needs a model that finds hidden words; the head of " +
                           model->path.string() + " has other outputs",
                       "Give an encoder whose config.json names a class ForMaskedLM, or with "
                       "--adapter an adapter that was trained with --task mask.");
    }
    // Any of the tokenizer's words may be put in the place of a hidden one.
    if (tokenizer->vocab_size() > spec.vocab_size) {
      throw ModelError("the tokenizer has ids up to " +
                           std::to_string(tokenizer->vocab_size() - 1) +
                           ", the model's embedding " + std::to_string(spec.vocab_size) + " rows",
                       "Use the tokenizer that belongs to the model.");
    }
  }
}

EncodeOptions encoding_of(const MaskedWords& task) {
  return {.max_length = task.max_length, .framed = true};
}

Score run_task(const MaskedWords& task, const EvalInput& input) {
  const TokenMasks masks(input.data.encoder().tokenizer(), task.masks,
                         mask_seed(task.seed, MaskedPart::kHeldOut));
  FoundWords found;
  std::int64_t done = 0;
  for (const AdapterBatch& batch :
       batches_by_adapter(input.count, input.batch_size, input.adapters)) {
    PackedBatch packed;
    for (const std::int64_t i : batch.documents) {
      if (const auto example = input.data.get(i)) masks.append(packed, *example, i, 0);
    }
    done += static_cast<std::int64_t>(batch.documents.size());
    if (packed.supervised.empty()) continue;
    const auto adapter = static_cast<std::size_t>(batch.adapter);
    found.add(input.nets.empty() ? input.net : *input.nets.at(adapter), to_batch(packed));
    input.observer.progress({done, input.count, "text", found.loss()});
  }
  if (found.tokens == 0) throw FileError(input.data.records().name(), "no token to hide");
  if (!std::isfinite(found.loss())) {
    throw RunError("the loss is not finite",
                   "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
  return found_words_score(found);
}

}  // namespace svtune
