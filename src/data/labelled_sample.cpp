#include "data/labelled_sample.h"

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"

namespace svtune {
namespace {

enum class Use : std::uint8_t { kNone, kTrain, kEval };

std::map<std::string, std::vector<std::size_t>> places_by_label(const LabelledRecords& records) {
  std::map<std::string, std::vector<std::size_t>> out;
  for (std::size_t i = 0; i < records.records.size(); ++i) {
    out[records.records[i].label].push_back(i);
  }
  return out;
}

std::size_t asked(const std::optional<std::int64_t>& number, const char* option) {
  if (!number) return 0;
  if (*number < 1) throw UsageError(std::string(option) + " must be 1 or more");
  return static_cast<std::size_t>(*number);
}

[[noreturn]] void too_few(const LabelledRecords& records, const std::string& label, std::size_t has,
                          std::size_t wanted) {
  throw FileError(records.name, "the class \"" + label + "\" has " + std::to_string(has) +
                                    " records; --shots and --eval-shots need " +
                                    std::to_string(wanted) + " of each");
}

}  // namespace

LabelledRecords take_shots(LabelledRecords& records, const SampleOptions& options,
                           std::uint64_t seed) {
  const std::size_t shots = asked(options.shots, "--shots");
  const std::size_t eval_shots = asked(options.eval_shots, "--eval-shots");
  std::vector<Use> uses(records.records.size(), options.shots ? Use::kNone : Use::kTrain);
  for (auto& [label, places] : places_by_label(records)) {
    // Without --shots one record at least is left to learn from.
    const std::size_t wanted = (options.shots ? shots : 1) + eval_shots;
    if (places.size() < wanted) too_few(records, label, places.size(), wanted);
    Xoshiro256 random(derive_seed(seed, "shots", label));
    random.shuffle(std::span<std::size_t>(places));
    for (std::size_t i = 0; i < shots; ++i) uses[places[i]] = Use::kTrain;
    for (std::size_t i = 0; i < eval_shots; ++i) uses[places[shots + i]] = Use::kEval;
  }
  LabelledRecords out = records.without_records();
  std::vector<LabelledRecord> kept;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    if (uses[i] == Use::kTrain) kept.push_back(std::move(records.records[i]));
    if (uses[i] == Use::kEval) out.records.push_back(std::move(records.records[i]));
  }
  records.records = std::move(kept);
  return out;
}

}  // namespace svtune
