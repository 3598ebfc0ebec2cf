// Which modules of a model a configuration means, by PEFT's rules: a list entry is a whole
// module path or its end at a dot, a regular expression must match the whole path, and a
// module that is saved whole or excluded is never adapted.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fields.h"
#include "models/network.h"

namespace svtune {

enum class TrainedBias { kNone, kAll, kLoraOnly };
inline constexpr EnumName<TrainedBias> kTrainedBiasNames[] = {
    {TrainedBias::kNone, "none", "biases stay frozen"},
    {TrainedBias::kAll, "all", "every bias of the model trains"},
    {TrainedBias::kLoraOnly, "lora_only", "the biases of adapted layers train"},
};
constexpr std::span<const EnumName<TrainedBias>> enum_names(TrainedBias) {
  return kTrainedBiasNames;
}

struct TargetOptions {
  // "all-linear", alone or among names: every linear layer but the head.
  std::vector<std::string> target_modules = {};
  std::optional<std::string> target_regex = {};
  std::vector<std::string> exclude_modules = {};
  std::optional<std::string> exclude_regex = {};
  std::vector<std::int64_t> layers_to_transform = {};
  std::vector<std::string> layers_pattern = {};
  std::vector<std::string> modules_to_save = {};
  TrainedBias bias = TrainedBias::kNone;
  bool ensure_weight_tying = false;
  std::vector<std::int64_t> trainable_token_indices = {};
  bool trainable_token_head = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.target_modules,
          {.name = "target_modules",
           .help = "Modules to adapt, by name or the end of their path; all-linear, also among "
                   "names, for all but the head (default: all-linear)"});
    visit(self.target_regex, {.name = "target_regex",
                              .help = "Regular expression that the whole path of a module to "
                                      "adapt matches",
                              .instead_of = "target_modules"});
    visit(self.exclude_modules,
          {.name = "exclude_modules", .help = "Modules to leave alone, by name or path end"});
    visit(self.exclude_regex, {.name = "exclude_regex",
                               .help = "The same as a regular expression over whole paths",
                               .instead_of = "exclude_modules"});
    visit(self.layers_to_transform, {.name = "layers_to_transform",
                                     .help = "Adapt only layers with these indices",
                                     .min = 0,
                                     .when = only_with("target_modules")});
    visit(self.layers_pattern, {.name = "layers_pattern",
                                .help = "Name before the layer index, e.g. layers",
                                .when = only_with("layers_to_transform")});
    visit(self.modules_to_save,
          {.name = "modules_to_save",
           .help = "Modules that train and are saved whole, e.g. lm_head,embed_tokens,norm"});
    visit(self.bias, {.name = "bias", .help = "Which biases train"});
    visit(self.ensure_weight_tying,
          {.name = "ensure_weight_tying",
           .help = "Keep a tied embedding and head one tensor when modules_to_save names one",
           .when = only_with("modules_to_save")});
    visit(self.trainable_token_indices,
          {.name = "trainable_token_indices",
           .help = "Token ids whose rows of the embedding, and of a head tied to it, train beside "
                   "the method",
           .min = 0});
    visit(self.trainable_token_head, {.name = "trainable_token_head",
                                      .help = "The same rows of a head of its own train as well",
                                      .when = only_with("trainable_token_indices")});
  }
  bool operator==(const TargetOptions&) const = default;
};

struct TargetSelection {
  std::vector<std::string> adapted;  // linear layers, in the model's order
  bool embedding = false;            // the embedding is to be adapted as well
  std::vector<std::string> saved;    // modules trained whole, in the model's order
};

// svtune's own default where nothing is named: all linear layers. Files of PEFT keep PEFT's.
TargetOptions or_all_linear(TargetOptions options);

// What the options call modules by: checkpoint names, or those that transformers 5 gives them.
enum class ModuleNames { kStored, kRunning };

// Throws UsageError when the options contradict each other, when a matched module is no
// linear layer or embedding, and when nothing matches: with what exists and the nearest names.
TargetSelection select_targets(Network& net, const TargetOptions& options,
                               ModuleNames meant = ModuleNames::kStored);

// The parameter names (checkpoint names of weights and biases) below the given modules.
bool is_below_module(const std::string& parameter, const std::string& module);

}  // namespace svtune
