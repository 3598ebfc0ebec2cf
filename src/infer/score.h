// Log-probabilities of given token sequences under a model.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/network.h"

namespace svtune {

inline constexpr std::int64_t kScoreBatchTokens = 2048;

// What errors call a sequence.
using SequenceName = std::function<std::string(std::size_t index)>;

// For each sequence, result[i] = log p(ids[i+1] | ids[..i]); one value fewer than ids, none
// for sequences of length 0 or 1. Sequences are packed into batches of at most
// `max_batch_tokens` (a longer one runs alone). `adapters` has one of each sequence, as
// Batch::adapters, or is empty. Throws ModelError for a model that predicts no next words and for
// ids outside the vocabulary, RunError naming sequence and token for a value that is not finite;
// `name_of` is "sequence 3" and so on, from 0, where it is empty.
std::vector<std::vector<float>> score_sequences(
    Network& net, const std::vector<std::vector<std::int32_t>>& sequences,
    std::int64_t max_batch_tokens = kScoreBatchTokens,
    const std::vector<std::int32_t>& adapters = {}, const SequenceName& name_of = {});

}  // namespace svtune
