#include "infer/score.h"

#include <cmath>

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

using Sequences = std::vector<std::vector<std::int32_t>>;

std::string default_name(std::size_t index) { return "sequence " + std::to_string(index); }

void check_ids(const Sequences& sequences, std::int64_t vocab, const SequenceName& name_of) {
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    for (const std::int32_t id : sequences[s]) {
      if (id < 0 || id >= vocab) {
        throw ModelError(name_of(s) + " has token id " + std::to_string(id) +
                             ", the model knows 0 to " + std::to_string(vocab - 1),
                         "Was the text tokenised for another model?");
      }
    }
  }
}

void check_finite(const std::vector<float>& log_probs, const std::string& name) {
  for (std::size_t i = 0; i < log_probs.size(); ++i) {
    if (std::isfinite(log_probs[i])) continue;
    throw RunError(name + ": the log-probability of token " + std::to_string(i + 1) + " is " +
                       (std::isnan(log_probs[i]) ? "NaN" : "infinite"),
                   "the weights hold NaN or infinity, or overflow in this dtype; try --dtype fp32");
  }
}

// Sequences [first, last) as one packed batch with a target at every position but the last
// of each.
Batch pack(const Sequences& sequences, std::size_t first, std::size_t last) {
  std::vector<std::int64_t> tokens, positions, supervised, targets;
  Batch batch;
  batch.offsets.push_back(0);
  for (std::size_t s = first; s < last; ++s) {
    const auto& ids = sequences[s];
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + 1 < ids.size()) {
        supervised.push_back(static_cast<std::int64_t>(tokens.size()));
        targets.push_back(ids[i + 1]);
      }
      tokens.push_back(ids[i]);
      positions.push_back(static_cast<std::int64_t>(i));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  const auto index = at::TensorOptions().dtype(at::kLong);
  batch.tokens = at::tensor(tokens, index);
  batch.positions = at::tensor(positions, index);
  batch.supervised = at::tensor(supervised, index);
  batch.targets = at::tensor(targets, index);
  return batch;
}

}  // namespace

std::vector<std::vector<float>> score_sequences(Network& net, const Sequences& sequences,
                                                std::int64_t max_batch_tokens,
                                                const std::vector<std::int32_t>& adapters,
                                                const SequenceName& name_of) {
  net.require_next_words();
  const SequenceName name = name_of ? name_of : SequenceName(default_name);
  check_ids(sequences, net.spec().vocab_size, name);
  std::vector<std::vector<float>> result(sequences.size());
  std::size_t first = 0;
  while (first < sequences.size()) {
    std::size_t last = first, tokens = 0;
    while (last < sequences.size() &&
           (last == first ||
            tokens + sequences[last].size() <= static_cast<std::size_t>(max_batch_tokens))) {
      tokens += sequences[last++].size();
    }
    Batch batch = pack(sequences, first, last);
    if (!adapters.empty()) {
      batch.adapters.assign(adapters.begin() + static_cast<std::ptrdiff_t>(first),
                            adapters.begin() + static_cast<std::ptrdiff_t>(last));
    }
    if (batch.num_supervised() > 0) {
      const at::Tensor values = net.log_probs(batch).to(at::kCPU, at::kFloat).contiguous();
      const float* next = values.const_data_ptr<float>();
      for (std::size_t s = first; s < last; ++s) {
        const std::size_t count = sequences[s].empty() ? 0 : sequences[s].size() - 1;
        result[s].assign(next, next + count);
        check_finite(result[s], name(s));
        next += count;
      }
    }
    first = last;
  }
  return result;
}

}  // namespace svtune
