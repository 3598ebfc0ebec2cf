// Few records of each class, chosen by a seed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/fields.h"
#include "data/labelled_records.h"

namespace svtune {

struct SampleOptions {
  std::optional<std::int64_t> shots = {};
  std::optional<std::int64_t> eval_shots = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.shots, {.name = "shots",
                       .help = "Learn from this many records of each class, chosen by the seed",
                       .value_name = "N"});
    visit(self.eval_shots,
          {.name = "eval_shots",
           .help = "Evaluate on this many other records of each class of the training data",
           .value_name = "N",
           .when = not_with("eval_data") && not_with("eval_share")});
  }
};

// Looks at records before they are chosen; without `problem` all are good.
struct RecordCheck {
  // What makes a record bad, nullopt for nothing. Called by several threads.
  std::function<std::optional<BadRecord>(const LabelledRecord&)> problem = {};
  int threads = 1;
};

// Takes `eval_shots` records of each class out of `records` and gives them back (no records where
// it is unset), then leaves `shots` of each class in `records` (all where it is unset). The order
// of the file is kept, a class's choice depends on the seed, its label and its records alone, and
// the training records do not depend on `eval_shots`. In the place of a bad record comes the next
// of its class in the order that the seed gives, and `records` counts it as left out. Requires one
// label for each class (spell_as_classes). Throws FileError naming the class that has too few,
// UsageError for numbers below 1.
LabelledRecords take_shots(LabelledRecords& records, const SampleOptions& options,
                           std::uint64_t seed, const RecordCheck& check = {});

}  // namespace svtune
