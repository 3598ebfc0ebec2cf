// What a run is made from, by content: a resumed run finds its files wherever they were moved to,
// and notices when one of them holds something else.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "train/train_session.h"

namespace svtune {

struct RunInputs {
  std::string model;     // hash of configuration and weights
  std::string data;      // fingerprint of the training data
  std::string examples;  // hash of the tokens or the pixels of some of them
  std::string adapter;   // hash of the one that training goes on from; "" without
  std::string dtype;     // of the arithmetic, e.g. "bf16"
  // Hash of the tokens of all of them: tokenizer and prompts. "" for images and in older files.
  std::string tokens = {};
  // Hash of the base that the run quantised for itself; "" without one and in older files.
  std::string quantized = {};
};

RunInputs inputs_of(const TrainSession& session);

// RUN/checkpoints/inputs.json; nullopt when there is none.
void save_inputs(const std::filesystem::path& run, const RunInputs& inputs);
std::optional<RunInputs> read_inputs(const std::filesystem::path& run);

// Takes the hash of the quantised base that `session` has entered, if any. Throws FileError when
// `begun`, which may be absent, knows another one: its file is damaged.
void add_quantized_base(RunInputs& inputs, const TrainSession& session,
                        const std::optional<RunInputs>& begun);

// Throws ModelError naming the options whose content is not what the run began with.
void require_same_inputs(const RunInputs& begun, const RunInputs& now);

}  // namespace svtune
