#include "infer/generate.h"

#include <algorithm>

#include "base/errors.h"
#include "base/hash.h"
#include "libtorch/prelude.h"
#include "nn/row_route.h"

namespace svtune {
namespace {

// One sequence that still grows; its place in the cache is its place in the list.
struct Running {
  std::size_t index;  // of the prompt
  std::int32_t last;  // newest token, not yet in the cache
  Xoshiro256 random;
};

Batch prompt_batch(const std::vector<std::vector<std::int32_t>>& prompts, std::int64_t vocab) {
  std::vector<std::int64_t> tokens, positions;
  Batch batch;
  batch.offsets.push_back(0);
  for (const auto& prompt : prompts) {
    require_prompt(prompt, vocab);
    for (std::size_t i = 0; i < prompt.size(); ++i) {
      tokens.push_back(prompt[i]);
      positions.push_back(static_cast<std::int64_t>(i));
    }
    batch.offsets.push_back(static_cast<std::int32_t>(tokens.size()));
  }
  batch.tokens = at::tensor(tokens, at::TensorOptions().dtype(at::kLong));
  batch.positions = at::tensor(positions, at::TensorOptions().dtype(at::kLong));
  return batch;
}

Batch step_batch(const std::vector<Running>& running, const KvCache& cache,
                 const std::vector<std::int32_t>& adapters) {
  std::vector<std::int64_t> tokens, positions;
  Batch batch;
  batch.offsets.push_back(0);
  for (std::size_t s = 0; s < running.size(); ++s) {
    tokens.push_back(running[s].last);
    positions.push_back(cache.length(static_cast<std::int64_t>(s)));
    batch.offsets.push_back(static_cast<std::int32_t>(s + 1));
    if (!adapters.empty()) batch.adapters.push_back(adapters[running[s].index]);
  }
  batch.tokens = at::tensor(tokens, at::TensorOptions().dtype(at::kLong));
  batch.positions = at::tensor(positions, at::TensorOptions().dtype(at::kLong));
  return batch;
}

// Logits [S, V] at the last token of each document.
at::Tensor last_logits(Network& net, const Batch& batch, KvCache& cache) {
  const at::Tensor hidden = net.forward(batch, &cache);
  std::vector<std::int64_t> last;
  for (std::size_t s = 1; s < batch.offsets.size(); ++s) last.push_back(batch.offsets[s] - 1);
  const RouteScope scope(route_of_documents(batch));
  return net.logits(hidden.index_select(0, at::tensor(last, at::TensorOptions().dtype(at::kLong))));
}

std::int32_t next_token(const at::Tensor& logits, const GenerateOptions& options, Running& sequence,
                        std::size_t done) {
  try {
    return sample_token(logits, options.sampling, sequence.random);
  } catch (const RunError& error) {
    throw RunError("prompt " + std::to_string(options.first_index + sequence.index + 1) +
                       ", new token " + std::to_string(done + 1) + ": " + error.what(),
                   error.hint());
  }
}

// Takes one token for every running sequence and drops those that end.
void extend(std::vector<Running>& running, const at::Tensor& logits, KvCache& cache,
            const GenerateOptions& options, const TokenCallback& on_token,
            std::vector<Generated>& results) {
  std::vector<Running> kept;
  std::vector<std::int64_t> places;
  for (std::size_t s = 0; s < running.size(); ++s) {
    Running& sequence = running[s];
    Generated& result = results[sequence.index];
    sequence.last =
        next_token(logits[static_cast<std::int64_t>(s)], options, sequence, result.ids.size());
    if (std::count(options.end_tokens.begin(), options.end_tokens.end(), sequence.last) > 0) {
      result.reason = StopReason::kEndToken;
      continue;
    }
    result.ids.push_back(sequence.last);
    if (on_token && !on_token(sequence.index, sequence.last)) {
      result.reason = StopReason::kStopped;
      continue;
    }
    if (static_cast<std::int64_t>(result.ids.size()) >= options.max_new_tokens) continue;
    kept.push_back(sequence);
    places.push_back(static_cast<std::int64_t>(s));
  }
  if (kept.size() != running.size()) cache.keep(places);
  running = std::move(kept);
}

}  // namespace

void require_prompt(const std::vector<std::int32_t>& ids, std::int64_t vocab) {
  if (ids.empty()) {
    throw ModelError("cannot generate from an empty prompt", "Give one of at least one token.");
  }
  for (const std::int32_t id : ids) {
    if (id >= 0 && id < vocab) continue;
    throw ModelError("prompt has token id " + std::to_string(id) + ", the model knows 0 to " +
                         std::to_string(vocab - 1),
                     "Do model and tokenizer belong together?");
  }
}

std::vector<Generated> generate(Network& net, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerateOptions& options, const TokenCallback& on_token) {
  const at::NoGradGuard no_grad;
  std::vector<Generated> results(prompts.size());
  if (prompts.empty() || options.max_new_tokens < 1) return results;
  KvCache cache(net.spec().num_layers, static_cast<std::int64_t>(prompts.size()));
  std::vector<Running> running;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::uint64_t seed =
        derive_seed(options.sampling.seed, "generate", std::to_string(options.first_index + i));
    running.push_back({i, 0, Xoshiro256(seed)});
  }
  Batch batch = prompt_batch(prompts, net.spec().vocab_size);
  batch.adapters = options.adapters;
  at::Tensor logits = last_logits(net, batch, cache);
  extend(running, logits, cache, options, on_token, results);
  while (!running.empty()) {
    logits = last_logits(net, step_batch(running, cache, options.adapters), cache);
    extend(running, logits, cache, options, on_token, results);
  }
  return results;
}

}  // namespace svtune
