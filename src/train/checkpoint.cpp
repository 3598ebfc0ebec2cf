#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <ranges>
#include <system_error>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/number_text.h"
#include "io/tensor_file.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr char kTensors[] = "state.safetensors", kState[] = "state.json", kMarker[] = "COMPLETE";
constexpr char kFrozen[] = "frozen.safetensors";

// Read in pieces: a mapping would count as memory of the process.
std::string hash_of(const fs::path& file) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::ifstream in(file, std::ios::binary);
  std::vector<char> piece(kPiece);
  Hasher64 hasher;
  while (in.read(piece.data(), kPiece) || in.gcount() > 0) {
    hasher.update(std::string_view(piece.data(), static_cast<std::size_t>(in.gcount())));
  }
  if (!in.eof()) throw FileError(file.string(), "cannot read");
  return hex64(hasher.digest());
}

// N of "step-N".
std::optional<std::int64_t> step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::string_view kPrefix = "step-";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char *first = name.data() + kPrefix.size(), *last = name.data() + name.size();
  const auto [end, error] = std::from_chars(first, last, step);
  if (error != std::errc() || end != last || step < 0) return std::nullopt;
  if (name != std::string(kPrefix) + std::to_string(step)) return std::nullopt;  // "step-03"
  return step;
}

std::vector<std::int64_t> list_steps(const fs::path& directory, bool complete) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::optional<std::int64_t> step = step_of(it->path());
    std::error_code ignored;
    if (step && fs::exists(it->path() / kMarker, ignored) == complete) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

Json unlogged_json(const UnloggedStep& step) {
  const StepReport& report = step.report;
  return {{"loss", report.loss},
          {"grad_norm", report.grad_norm},
          {"learning_rate", report.learning_rate},
          {"tokens", report.tokens},
          {"supervised_tokens", report.supervised_tokens},
          {"seconds", report.seconds},
          {"epoch", report.epoch},
          {"ended_epoch", step.ended_epoch}};
}

Json state_json(const TrainState& state, const std::optional<BestEval>& best,
                const std::optional<UnloggedStep>& unlogged, const std::string& frozen_hash) {
  Json json = {{"step", state.step}, {"tokens", state.tokens}, {"seconds", state.seconds}};
  json["optimizer_steps"] = state.optimizer.steps();
  json["data"] = state.batches.position();
  json["frozen"] = frozen_hash;
  if (unlogged) json["unlogged"] = unlogged_json(*unlogged);
  if (!best) return json;
  json["best"] = {{"step", best->step}, {"loss", best->loss}, {"data", best->data}};
  json["best"]["metric"] = best->metric;
  json["best"]["value"] = best->value;
  return json;
}

// Compares the files with the hashes in the marker; the marker exists.
void require_intact(const fs::path& checkpoint) {
  const Json marker = read_json_file(checkpoint / kMarker);
  for (const char* name : {kTensors, kState}) {
    const auto wanted = marker.is_object() ? marker.find(name) : marker.end();
    if (wanted == marker.end() || !wanted->is_string()) {
      throw FileError((checkpoint / kMarker).string(), std::string("names no hash of ") + name);
    }
    if (hash_of(checkpoint / name) != wanted->get<std::string>()) {
      throw FileError((checkpoint / name).string(), "its bytes are not those that were written");
    }
  }
}

// A value of state.json. The hash has been checked, so only a file made by others lacks it.
template <class T>
T value(const Json& json, const char* key, const fs::path& checkpoint) {
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception&) {
    throw FileError((checkpoint / kState).string(), std::string("has no usable ") + key);
  }
}

UnloggedStep unlogged_of(const Json& json, std::int64_t step, const fs::path& checkpoint) {
  const auto number = [&](const char* key) {
    const Json each = value<Json>(json, key, checkpoint);
    return each.is_number() ? each.get<double>() : std::numeric_limits<double>::quiet_NaN();
  };
  UnloggedStep unlogged;
  StepReport& report = unlogged.report;
  report.step = step;
  report.loss = number("loss");
  report.grad_norm = number("grad_norm");
  report.learning_rate = number("learning_rate");
  report.tokens = value<std::int64_t>(json, "tokens", checkpoint);
  report.supervised_tokens = value<std::int64_t>(json, "supervised_tokens", checkpoint);
  report.seconds = number("seconds");
  report.epoch = number("epoch");
  unlogged.ended_epoch = value<bool>(json, "ended_epoch", checkpoint);
  return unlogged;
}

std::vector<NamedTensor> parameters_of(const std::vector<Trainable>& trainables) {
  std::vector<NamedTensor> list;
  for (const Trainable& each : trainables) list.push_back({"parameter/" + each.name, each.tensor});
  return list;
}

// Adds what the method changes from step to step without a gradient.
std::vector<NamedTensor> with_changing_state(std::vector<NamedTensor> list,
                                             const AdapterSet& adapters) {
  for (const NamedTensor& each : adapters.changing_state()) {
    list.push_back({"method/" + each.name, each.tensor});
  }
  return list;
}

// Of a checkpoint that is damaged.
std::string name_aside(std::int64_t step) { return "damaged-step-" + std::to_string(step); }

void remove_checkpoint(const fs::path& path) {
  // Without its marker a half-removed folder does not count any more.
  std::error_code ignored;
  fs::remove(path / kMarker, ignored);
  fs::remove_all(path, ignored);
}

}  // namespace

std::string describe(const BestEval& best) {
  return best.metric + " " + fixed(best.value, 4) + " at step " + std::to_string(best.step);
}

CheckpointStore::CheckpointStore(const fs::path& run_directory)
    : directory_(run_directory / "checkpoints") {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) {
    throw FileError(directory_.string(), "cannot create: " + error.message(),
                    hint_of_errno(error.value()));
  }
}

fs::path CheckpointStore::path(std::int64_t step) const {
  return directory_ / ("step-" + std::to_string(step));
}

std::vector<std::int64_t> CheckpointStore::steps() const { return list_steps(directory_, true); }

void CheckpointStore::save(const TrainState& state, const std::optional<BestEval>& best,
                           const std::optional<UnloggedStep>& unlogged) {
  if (!frozen_hash_) {
    const std::vector<NamedTensor> frozen = state.adapters.frozen_state();
    if (!frozen.empty()) write_tensors(directory_ / kFrozen, frozen);
    frozen_hash_ = frozen.empty() ? "" : hash_of(directory_ / kFrozen);
  }
  AtomicDirectory folder(path(state.step), IfExists::kReplace);
  const fs::path& staging = folder.staging();
  write_tensors(staging / kTensors, with_changing_state(state.optimizer.state(), state.adapters));
  write_file_atomic(staging / kState,
                    dump_json(state_json(state, best, unlogged, *frozen_hash_), 2) + "\n");
  const Json marker = {{kTensors, hash_of(staging / kTensors)},
                       {kState, hash_of(staging / kState)}};
  write_file_atomic(staging / kMarker, dump_json(marker, 2) + "\n");
  folder.commit();
}

void CheckpointStore::prune(std::int64_t written, std::int64_t keep,
                            std::optional<std::int64_t> best) const {
  std::vector<std::int64_t> others = steps();
  std::erase(others, written);
  std::int64_t kept = 1;
  for (const std::int64_t step : others | std::views::reverse) {
    // A later one belongs to a course that the run has left.
    const bool among_last = step < written && kept < keep;
    if (among_last) ++kept;
    if (!among_last && step != best) remove_checkpoint(path(step));
  }
}

void CheckpointStore::load_frozen(const std::string& hash, const AdapterSet& adapters) const {
  const std::vector<NamedTensor> frozen = adapters.frozen_state();
  const fs::path file = directory_ / kFrozen;
  if (hash.empty() != frozen.empty()) {
    throw FileError(file.string(), "belongs to a run with another method");
  }
  if (frozen.empty()) return;
  if (hash_of(file) != hash) {
    throw FileError(file.string(), "its bytes are not those that were written");
  }
  read_tensors(file, frozen);
}

Json CheckpointStore::load(std::int64_t step, const AdapterSet& adapters,
                           const std::vector<NamedTensor>& into) const {
  const fs::path folder = path(step);
  require_intact(folder);
  const Json json = read_json_file(folder / kState);
  if (const auto held = value<std::int64_t>(json, "step", folder); held != step) {
    throw FileError((folder / kState).string(), "is the state of step " + std::to_string(held));
  }
  load_frozen(value<std::string>(json, "frozen", folder), adapters);
  read_tensors(folder / kTensors, with_changing_state(into, adapters));
  adapters.refresh();
  return json;
}

CheckpointStore::Restored CheckpointStore::restore(std::int64_t step, TrainState& state) {
  const Json json = load(step, state.adapters, state.optimizer.state());
  const fs::path folder = path(step);
  state.batches.seek(value<Json>(json, "data", folder));
  state.optimizer.set_steps(value<std::int64_t>(json, "optimizer_steps", folder));
  state.step = value<std::int64_t>(json, "step", folder);
  state.tokens = value<std::int64_t>(json, "tokens", folder);
  state.seconds = value<double>(json, "seconds", folder);
  frozen_hash_ = value<std::string>(json, "frozen", folder);
  Restored restored;
  restored.step = state.step;
  if (json.contains("unlogged")) {
    restored.unlogged = unlogged_of(json["unlogged"], state.step, folder);
  }
  if (json.contains("best")) {
    const Json& best = json["best"];
    const double loss = value<double>(best, "loss", folder);
    restored.best =
        BestEval{value<std::int64_t>(best, "step", folder), loss, best.value("data", ""),
                 best.value("metric", "loss"), best.value("value", loss)};
  }
  return restored;
}

std::optional<CheckpointStore::Restored> CheckpointStore::restore_latest(TrainState& state) {
  std::vector<std::int64_t> left = steps(), damaged;
  std::vector<std::string> problems;  // one for each of `damaged`
  std::optional<Restored> restored;
  while (!left.empty() && !restored) {
    try {
      restored = restore(left.back(), state);
    } catch (const Error& error) {
      problems.emplace_back(error.what());
      damaged.push_back(left.back());
    }
    left.pop_back();
  }
  if (!restored && !problems.empty()) {
    throw FileError(directory_.string(),
                    "none of the checkpoints can be used; the latest: " + problems.front(),
                    "remove this folder to begin the run anew with --resume");
  }
  if (!restored) return restored;
  for (std::size_t i = 0; i < damaged.size(); ++i) {
    restored->warnings.push_back(problems[i] + "; the checkpoint is set aside as " +
                                 name_aside(damaged[i]));
  }
  restored->damaged = std::move(damaged);
  return restored;
}

void CheckpointStore::settle(const std::optional<Restored>& restored) const {
  remove_stale_temporaries(directory_);
  for (const std::int64_t step : list_steps(directory_, false)) remove_checkpoint(path(step));
  if (!restored) return;
  for (const std::int64_t step : restored->damaged) set_aside(step);
}

void CheckpointStore::set_aside(std::int64_t step) const {
  const fs::path aside = directory_ / name_aside(step);
  std::error_code error;
  fs::remove_all(aside, error);
  fs::rename(path(step), aside, error);
  if (error) {
    throw FileError(path(step).string(), "cannot rename: " + error.message(),
                    hint_of_errno(error.value()));
  }
}

void CheckpointStore::load_adapters(std::int64_t step, const AdapterSet& adapters) const {
  load(step, adapters, parameters_of(adapters.trainables()));
}

}  // namespace svtune
