#include "data/labelled_sample.h"

#include <algorithm>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "base/random.h"
#include "data/numbered_jobs.h"

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

std::string need_of(const SampleOptions& options, std::size_t wanted) {
  const std::string each = std::to_string(wanted) + " of each";
  if (!options.shots) return "--eval-shots needs " + each + ", one of them to learn from";
  return options.eval_shots ? "--shots and --eval-shots need " + each : "--shots needs " + each;
}

[[noreturn]] void too_few(const LabelledRecords& records, const std::string& label, std::size_t has,
                          std::size_t bad, const std::string& need) {
  const std::string of_them = bad == 0 ? "" : ", " + std::to_string(bad) + " of them bad";
  throw FileError(
      records.name,
      "the class \"" + label + "\" has " + std::to_string(has) + " records" + of_them + "; " + need,
      "Ask for fewer, or leave the class out of the data.");
}

std::vector<std::optional<BadRecord>> problems_of(const LabelledRecords& records,
                                                  std::span<const std::size_t> places,
                                                  const RecordCheck& check) {
  std::vector<std::optional<BadRecord>> problems(places.size());
  if (!check.problem) return problems;
  const std::vector<std::exception_ptr> thrown =
      run_jobs({.count = places.size(), .threads = check.threads, .run = [&](std::size_t i) {
                  problems[i] = check.problem(records.records[places[i]]);
                }});
  for (const std::exception_ptr& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
  return problems;
}

// The first `wanted` good ones of `places`, fewer where there are no more. Bad ones before them are
// left out of `records` and get no use.
std::vector<std::size_t> first_good(LabelledRecords& records, std::span<const std::size_t> places,
                                    std::size_t wanted, const RecordCheck& check,
                                    std::vector<Use>& uses) {
  std::vector<std::size_t> good;
  while (good.size() < wanted && !places.empty()) {
    const auto tried = places.first(std::min(wanted - good.size(), places.size()));
    places = places.subspan(tried.size());
    std::vector<std::optional<BadRecord>> problems = problems_of(records, tried, check);
    for (std::size_t i = 0; i < tried.size(); ++i) {
      if (!problems[i]) {
        good.push_back(tried[i]);
        continue;
      }
      records.leave_out(std::move(problems[i]->place), std::move(problems[i]->problem));
      uses[tried[i]] = Use::kNone;
    }
  }
  return good;
}

}  // namespace

LabelledRecords take_shots(LabelledRecords& records, const SampleOptions& options,
                           std::uint64_t seed, const RecordCheck& check) {
  const std::size_t shots = asked(options.shots, "--shots");
  const std::size_t eval_shots = asked(options.eval_shots, "--eval-shots");
  std::vector<Use> uses(records.records.size(), options.shots ? Use::kNone : Use::kTrain);
  for (auto& [label, places] : places_by_label(records)) {
    // Without --shots one record at least is left to learn from.
    const std::size_t wanted = (options.shots ? shots : 1) + eval_shots;
    Xoshiro256 random(derive_seed(seed, "shots", label));
    random.shuffle(std::span<std::size_t>(places));
    const std::vector<std::size_t> good = first_good(records, places, wanted, check, uses);
    if (good.size() < wanted) {
      too_few(records, label, places.size(), places.size() - good.size(), need_of(options, wanted));
    }
    for (std::size_t i = 0; i < shots; ++i) uses[good[i]] = Use::kTrain;
    for (std::size_t i = 0; i < eval_shots; ++i) uses[good[shots + i]] = Use::kEval;
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
