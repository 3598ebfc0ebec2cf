// config.json of a run: its resolved options. It repeats the run and says what a resumed run must
// still be. Paths in it that begin with a dot are relative to its folder, so that a run can move
// together with its files; others are as the user gave them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "train/run_options.h"

namespace svtune {

std::filesystem::path config_file(const std::filesystem::path& run);

// The options as config.json keeps them. A path that an earlier config.json of the run wrote in
// its own way and that still leads to the same place is written in that way again.
Json config_of_run(const TrainOptions& options);

// A path as config.json of the run has it, from the working directory.
std::filesystem::path path_in_config(const std::filesystem::path& run, const std::string& text);

// Options that a resumed run may be given anew: how far it goes and what is kept and told of it,
// nothing that the trained values depend on.
const std::vector<std::string>& changeable_options();

// Throws UsageError naming the first option with a path that is not UTF-8, which JSON cannot hold.
void require_nameable_paths(const TrainOptions& options);

// Compares with the config.json of the run in options.run.output. Files are not compared by name
// but by content (train/run_inputs.h). Throws ModelError naming every option that must not differ,
// with both values.
void require_same_options(const TrainOptions& options);

// Whether the run in options.run.output goes on and began before there was --model-dropout: it
// trained without any. require_same_options then lets every value pass.
bool begun_before_model_dropout(const TrainOptions& options);

}  // namespace svtune
