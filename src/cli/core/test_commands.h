// Commands with an option of every type, for the tests of this folder.
#pragma once

#include <filesystem>
#include <map>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "base/errors.h"
#include "cli/core/application.h"
#include "cli/core/builtin_commands.h"

namespace svtune::testing_commands {

enum class Schedule { kCosine, kLinear };
inline constexpr EnumName<Schedule> kScheduleNames[] = {
    {Schedule::kCosine, "cosine", "half a wave"}, {Schedule::kLinear, "linear"}};
constexpr std::span<const EnumName<Schedule>> enum_names(Schedule) { return kScheduleNames; }

struct Lora {
  static constexpr std::string_view kName = "lora";
  static constexpr std::string_view kSummary = "low-rank pair";
  std::int64_t rank = 16;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.rank, {.name = "rank", .help = "Rank of the update", .min = 1, .max = 65536});
  }
};

struct Pissa {
  static constexpr std::string_view kName = "pissa";
  static constexpr std::string_view kSummary = "principal singular vectors";
  Lora lora;
  std::int64_t svd_iterations = 4;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.group("", self.lora);
    visit(self.svd_iterations, {.name = "svd_iterations", .help = "Passes", .min = 0});
  }
};

struct Optimiser {
  double learning_rate = 2e-4;
  Schedule schedule = Schedule::kCosine;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.learning_rate,
          {.name = "learning_rate", .help = "Peak learning rate", .unit = "1/step", .above = 0});
    visit(self.schedule, {.name = "schedule", .help = "Shape of the learning rate's decay"});
  }
};

struct FitOptions {
  static constexpr CommandInfo kCommand{.name = "fit",
                                        .summary = "Fit a model",
                                        .description = "First paragraph.\n\nSecond paragraph.",
                                        .examples = "svtune fit DIR --rank 8"};
  std::filesystem::path model;
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  std::vector<std::string> stop;
  std::map<std::string, std::int64_t> rank_pattern;
  bool packing = true;
  std::optional<std::int64_t> max_steps;
  std::optional<bool> shuffle;
  std::string note;
  Optimiser optimiser;
  std::variant<Lora, Pissa> adapter;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.model, {.name = "model",
                       .help = "Model directory",
                       .required = true,
                       .positional = true,
                       .path = PathHint::kDirectory});
    visit(self.targets, {.name = "targets", .help = "Layers to adapt"});
    visit(self.stop, {.name = "stop", .help = "Text that ends an answer", .separator = 0});
    visit(self.rank_pattern, {.name = "rank_pattern", .help = "Ranks by layer", .min = 1});
    visit(self.packing, {.name = "packing", .help = "Pack documents | one row"});
    visit(self.max_steps,
          {.name = "max_steps", .help = "Last step", .unit = "steps", .min = 1, .former = "steps"});
    visit(self.shuffle, {.name = "shuffle", .help = "Shuffle"});
    visit(self.note, {.name = "note", .help = "Free text"});
    visit.group("Optimiser", self.optimiser);
    visit.choice(self.adapter, {.name = "method", .help = "What to train"});
  }
};

// Prints the resolved options.
inline int run(const FitOptions& options, CommandContext& context) {
  context.out << dump_json(fields_to_json(options)) << '\n';
  return 0;
}

struct FailOptions {
  static constexpr CommandInfo kCommand{.name = "fail", .summary = "Throw"};
  std::string how;
  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.how, {.name = "how", .help = "Kind of failure"});
  }
};

inline int run(const FailOptions& options) {
  if (options.how == "file") throw FileError("a.bin", "truncated at byte 7", "download it again");
  if (options.how == "memory") throw std::bad_alloc();
  if (options.how == "trace") throw std::runtime_error("shape mismatch\nframe #0: 0x123");
  if (options.how == "odd") throw 7;
  return 3;
}

using Commands =
    CommandList<FitOptions, FailOptions, HelpOptions, CompletionOptions, ManOptions, DocsOptions>;

struct Outcome {
  int code;
  std::string out, err;
};

inline Outcome call(const std::vector<std::string>& args) {
  std::ostringstream out, err;
  const int code = run_application({"svtune", "1.2.3"}, Commands::make(), args, out, err);
  return {code, out.str(), err.str()};
}

}  // namespace svtune::testing_commands
