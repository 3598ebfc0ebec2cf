#include "train/run_config.h"

#include <algorithm>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/chat_template.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

bool names_file(const FieldInfo& info) {
  return info.kind == FieldKind::kPath || info.path != PathHint::kAny;
}

bool is_builtin_template(const std::string& text) {
  return std::ranges::count(ChatTemplate::builtin_names(), std::string_view(text)) > 0;
}

fs::path folder_of(const fs::path& run) { return fs::weakly_canonical(fs::absolute(run)); }

fs::path resolved(const fs::path& folder, const std::string& text) {
  return (folder / text).lexically_normal();
}

// With a leading dot, which says: relative to the folder of config.json.
std::string text_from(const fs::path& folder, const fs::path& file) {
  const fs::path relative = file.lexically_relative(folder);
  return *relative.begin() == ".." ? relative.string() : (fs::path(".") / relative).string();
}

// Standard input and names that are no paths stay as they are.
std::string path_text(const fs::path& folder, const std::string& given, const Json* earlier) {
  if (given.empty() || given == "-" || is_builtin_template(given)) return given;
  const fs::path file = fs::absolute(given).lexically_normal();
  if (earlier != nullptr && earlier->is_string()) {
    const std::string text = earlier->get<std::string>();
    if (resolved(folder, text) == file) return text;
  }
  return fs::path(given).is_relative() ? text_from(folder, file) : given;
}

Json read_config(const fs::path& run) {
  const fs::path file = config_file(run);
  return fs::exists(file) ? read_json_file(file) : Json::object();
}

// Where two options were compared by name their contents are compared instead.
bool compared_by_content(const FieldInfo& info) { return names_file(info) || info.name == "dtype"; }

// A day that is not given is the one of the run's start, which config.json has.
bool taken_from_run(const FieldInfo& info) { return info.name == "date" && info.value.is_null(); }

constexpr const char* kModelDropout = "model_dropout";

std::string shown(const FieldInfo& info, const Json& value) {
  const std::string text = value.is_null() ? "not given" : field_value_text(info, value);
  return text.empty() ? "empty" : text;
}

TrainOptions begun_options(const fs::path& file) {
  TrainOptions begun;
  try {
    fields_from_json(begun, read_json_file(file), file.string());
  } catch (const UsageError& error) {
    throw file_error_of(file.string(), error);
  }
  return begun;
}

}  // namespace

fs::path path_in_config(const fs::path& run, const std::string& text) {
  return text.starts_with('.') ? resolved(folder_of(run), text) : fs::path(text);
}

fs::path config_file(const fs::path& run) { return run / "config.json"; }

Json config_of_run(const TrainOptions& options) {
  TrainOptions saved = options;
  saved.run.resume = false;
  Json json = fields_to_json(saved);
  const fs::path folder = folder_of(options.run.output);
  const Json earlier = read_config(options.run.output);
  for (const Field& field : list_fields(saved)) {
    Json& value = json[field.info.name];
    if (!names_file(field.info) || !value.is_string()) continue;
    const auto before = earlier.find(field.info.name);
    value =
        path_text(folder, value.get<std::string>(), before == earlier.end() ? nullptr : &*before);
  }
  json["output"] = ".";
  return json;
}

const std::vector<std::string>& changeable_options() {
  static const std::vector<std::string> names{
      "epochs",       "max_steps",        "eval_data",         "eval_every", "save_every",
      "save_minutes", "keep_checkpoints", "samples",           "svd_cache",  "threads",
      "recompute",    "recompute_blocks", "max_memory",        "output",     "resume",
      "dry_run",      "eval_each_epoch",  "calibration_memory"};
  return names;
}

bool begun_before_model_dropout(const TrainOptions& options) {
  const fs::path& run = options.run.output;
  return options.run.resume && fs::exists(config_file(run)) &&
         !read_config(run).contains(kModelDropout);
}

void require_nameable_paths(const TrainOptions& options) {
  TrainOptions copy = options;
  for (const Field& field : list_fields(copy)) {
    const FieldInfo& info = field.info;
    if (info.name == "output" || !names_file(info) || !info.value.is_string()) continue;
    if (is_valid_utf8(info.value.get_ref<const std::string&>())) continue;
    throw UsageError(field_flag(info.name) +
                         ": the path is not UTF-8, and config.json of the run "
                         "could not name it",
                     "Give the path of a link with another name.");
  }
}

void require_same_options(const TrainOptions& options) {
  const fs::path file = config_file(options.run.output);
  TrainOptions asked = options;
  const TrainOptions begun = begun_options(file);
  const Json before = fields_to_json(begun);
  const bool older = begun_before_model_dropout(options);
  std::vector<std::string> changed;
  for (const Field& field : list_fields(asked)) {
    const FieldInfo& info = field.info;
    // The options of another method come and go with --method, which is compared itself.
    if (!before.contains(info.name) || taken_from_run(info) ||
        (info.name == kModelDropout && older) ||
        std::ranges::count(changeable_options(), info.name) > 0) {
      continue;
    }
    const Json& was = before.at(info.name);
    const bool same =
        compared_by_content(info) ? was.is_null() == info.value.is_null() : was == info.value;
    if (same) continue;
    changed.push_back(field_flag(info.name) + " was " + shown(info, was) + ", got " +
                      shown(info, info.value));
  }
  if (changed.empty()) return;
  throw ModelError(
      options.run.output.string() + ": a run goes on as it began: " + join(changed, "; "),
      "Leave these options as they were (--config " + file.string() +
          " gives them all), or begin a new run in another --output.");
}

}  // namespace svtune
