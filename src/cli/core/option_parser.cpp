#include "cli/core/option_parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <span>

#include "base/errors.h"
#include "base/text_util.h"

namespace svtune {
namespace {

std::string no_flag(const FieldInfo& info) { return "--no-" + field_flag(info.name).substr(2); }

// One CLI11 option a name; texts are collected and read later, when the types are settled.
class Binding {
 public:
  Binding(std::span<const FieldInfo> known, std::span<const std::string> args)
      : known_(known), args_(args) {
    for (const FieldInfo& info : known) {
      if (seen_.insert(info.name).second) bind(info);
    }
  }

  CLI::App& app() { return app_; }

  std::vector<FieldInput> inputs() const {
    std::vector<FieldInput> out;
    for (const auto& bound : bound_) {
      if (bound.option->count() == 0) continue;
      std::vector<std::string> texts = bound.option->results();
      check_texts(bound.info, texts);
      out.push_back({bound.info.name, label(bound.info), Json(), std::move(texts), true});
    }
    return out;
  }

  // One sentence for each option that takes one value and was given several.
  std::vector<std::string> overridden() const {
    std::vector<std::string> out;
    for (const auto& bound : bound_) {
      const FieldShape shape = bound.info.shape;
      const bool collects = shape == FieldShape::kList || shape == FieldShape::kMap;
      if (collects || bound.option->count() < 2) continue;
      std::vector<std::string> texts = bound.option->results();
      const std::string last = texts.back();
      std::erase(texts, last);
      if (texts.empty()) continue;
      out.push_back(label(bound.info) + " is given several times: \"" + last + "\" counts, not \"" +
                    join(texts, "\", \"") + "\"");
    }
    return out;
  }

  // Throws UsageError when an argument that CLI11 left over looks like an option.
  void refuse_option(const std::string& text) const {
    if (text.size() < 2 || text[0] != '-') return;
    const std::string name = text.substr(0, text.find('='));
    const std::string renamed = renamed_text(known_, name);
    if (!renamed.empty()) throw UsageError("unknown option " + name, renamed);
    std::string nearest = nearest_name(name, flags());
    if (nearest.empty()) nearest = flag_with_words_of(name);
    if (nearest.empty()) nearest = flag_with_initials(name);
    throw UsageError("unknown option " + name, nearest.empty() ? "--help lists the options"
                                                               : "did you mean " + nearest + "?");
  }

  // The flag that shares the most words, two at least: --tokens-per-batch means --batch-tokens.
  std::string flag_with_words_of(const std::string& name) const {
    const std::vector<std::string_view> given = split(std::string_view(name).substr(2), '-');
    std::string best;
    std::size_t most = 1;
    for (const std::string& flag : flags()) {
      std::size_t shared = 0;
      for (const std::string_view word : split(std::string_view(flag).substr(2), '-')) {
        shared += std::ranges::count(given, word) > 0 ? 1 : 0;
      }
      if (shared > most) {
        best = flag;
        most = shared;
      }
    }
    return best;
  }

  // --lr means --learning-rate.
  std::string flag_with_initials(const std::string& name) const {
    for (const std::string& flag : flags()) {
      const std::vector<std::string_view> words = split(std::string_view(flag).substr(2), '-');
      std::string initials;
      for (const std::string_view word : words) initials += word.substr(0, 1);
      if (words.size() > 1 && initials == std::string_view(name).substr(2)) return flag;
    }
    return "";
  }

  // What is no option goes to the positional fields in order; a list takes all that is left.
  // Throws UsageError for an argument too many.
  void take_arguments(const std::vector<std::string>& extras,
                      std::vector<FieldInput>& inputs) const {
    std::size_t next = 0;
    for (const FieldInfo& info : positionals_) {
      const std::size_t left = extras.size() - next;
      const std::size_t count =
          info.shape == FieldShape::kList ? left : std::min<std::size_t>(left, 1);
      if (count == 0) continue;
      const auto begin = extras.begin() + static_cast<std::ptrdiff_t>(next);
      inputs.push_back({info.name,
                        label(info),
                        Json(),
                        {begin, begin + static_cast<std::ptrdiff_t>(count)},
                        true});
      next += count;
    }
    if (next == extras.size()) return;
    throw UsageError("unexpected argument \"" + extras[next] + "\"",
                     "the values of a list are separated by commas");
  }

  // Every spelling that the user may have meant.
  std::vector<std::string> flags() const {
    std::vector<std::string> out = {"--help", "--config"};
    for (const auto& bound : bound_) {
      out.push_back(field_flag(bound.info.name));
      if (is_switch(bound.info)) out.push_back(no_flag(bound.info));
    }
    return out;
  }

  const FieldInfo* find(const std::string& flag) const {
    for (const auto& bound : bound_) {
      if (field_flag(bound.info.name) == flag) return &bound.info;
    }
    return nullptr;
  }

 private:
  struct Bound {
    FieldInfo info;
    CLI::Option* option;
  };

  void bind(const FieldInfo& info) {
    if (info.positional) {
      positionals_.push_back(info);
      return;
    }
    CLI::Option* option = nullptr;
    if (is_switch(info)) {
      option = app_.add_flag(field_flag(info.name) + ",!" + no_flag(info));
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      sinks_.push_back(std::make_unique<std::vector<std::string>>());
      option = app_.add_option(field_flag(info.name), *sinks_.back());
      option->allow_extra_args(false);
    }
    bound_.push_back({info, option});
  }

  static std::string label(const FieldInfo& info) {
    return info.positional ? field_placeholder(info) : field_flag(info.name);
  }

  // `--model --rank 8` would otherwise take "--rank" for the model's path. A text that is meant to
  // be the name of an option is joined by a sign; --help is one that people do ask about.
  void check_texts(const FieldInfo& info, const std::vector<std::string>& texts) const {
    const std::vector<std::string> all = flags();
    for (const std::string& text : texts) {
      if (!text.starts_with("--") || std::ranges::count(all, text) == 0) continue;
      if (text == "--help" || !stands_apart(info, text)) continue;
      throw UsageError(label(info) + ": got the option " + text + ", need a value (" +
                           field_type_text(info) + ")",
                       "Write " + label(info) + "=" + text + " if that is the value.");
    }
  }

  // Whether the text follows the option as an argument of its own.
  bool stands_apart(const FieldInfo& info, const std::string& text) const {
    for (std::size_t i = 0; i + 1 < args_.size(); ++i) {
      if (args_[i] == label(info) && args_[i + 1] == text) return true;
    }
    return false;
  }

  std::span<const FieldInfo> known_;
  std::span<const std::string> args_;
  CLI::App app_;
  std::set<std::string> seen_;
  std::vector<Bound> bound_;
  std::vector<FieldInfo> positionals_;
  std::vector<std::unique_ptr<std::vector<std::string>>> sinks_;
};

// CLI11's own words for a missing value start with the option's name.
[[noreturn]] void refuse_parse(const CLI::ParseError& error, const Binding& binding) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find_first_of(": "));
  if (const FieldInfo* info = binding.find(name)) {
    throw UsageError(name + ": need a value (" + field_type_text(*info) + ")");
  }
  throw UsageError(text.substr(0, text.find('\n')), "--help lists the options");
}

// A path that begins with a dot lies relative to the configuration file, like those that a run
// writes of itself; others are taken from the working directory, as on the command line.
void resolve_paths(std::vector<FieldInput>& inputs, const std::vector<FieldInfo>& known,
                   const std::filesystem::path& config) {
  const std::filesystem::path folder =
      std::filesystem::weakly_canonical(std::filesystem::absolute(config)).parent_path();
  for (FieldInput& input : inputs) {
    const auto info =
        std::ranges::find_if(known, [&](const FieldInfo& each) { return each.name == input.name; });
    if (info == known.end() || !input.json.is_string()) continue;
    if (info->kind != FieldKind::kPath && info->path == PathHint::kAny) continue;
    const std::filesystem::path path = input.json.get<std::string>();
    if (path.empty() || (*path.begin() != "." && *path.begin() != "..")) continue;
    std::filesystem::path resolved = (folder / path).lexically_normal();
    if (!resolved.has_filename()) resolved = resolved.parent_path();
    input.json = resolved.string();
  }
}

// --help anywhere but as the value of an option that takes free text: `--prompt --help` is a
// prompt.
bool asks_for_help(const std::vector<FieldInfo>& known, std::span<const std::string> args) {
  const auto takes_text = [&](const std::string& flag) {
    return std::ranges::any_of(known, [&](const FieldInfo& info) {
      return info.kind == FieldKind::kString && !info.positional && field_flag(info.name) == flag;
    });
  };
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] != "-h" && args[i] != "--help") continue;
    if (i == 0 || !takes_text(args[i - 1])) return true;
  }
  return false;
}

}  // namespace

bool is_switch(const FieldInfo& info) {
  return info.kind == FieldKind::kBool &&
         (info.shape == FieldShape::kScalar || info.shape == FieldShape::kOptional);
}

ParsedLine parse_line(const std::vector<FieldInfo>& known, const std::vector<std::string>& args,
                      const CommandInfo& command) {
  ParsedLine line;
  const auto end = std::find(args.begin(), args.end(), "--");
  const std::span<const std::string> before_end(args.begin(), end);
  if (asks_for_help(known, before_end)) {
    line.help = true;
    return line;
  }
  Binding binding(known, before_end);
  CLI::App& app = binding.app();
  app.set_help_flag();
  app.allow_extras();
  CLI::Option* config = nullptr;
  if (command.config) config = app.add_option("-c,--config", line.config);
  try {
    app.parse(std::vector<std::string>(std::make_reverse_iterator(end), args.rend()));
  } catch (const CLI::ParseError& error) {
    refuse_parse(error, binding);
  }
  if (config != nullptr && config->count() > 0 && line.config.empty()) {
    throw UsageError("--config: got an empty path", "Leave it out where there is none.");
  }
  line.inputs = binding.inputs();
  line.warnings = binding.overridden();
  std::vector<std::string> extras = app.remaining();
  for (const std::string& text : extras) binding.refuse_option(text);
  if (end != args.end()) extras.insert(extras.end(), end + 1, args.end());
  binding.take_arguments(extras, line.inputs);
  return line;
}

void apply_line(const ParsedLine& line, const FieldSource& source,
                const std::vector<FieldInfo>& known, const FieldPresets& presets) {
  std::vector<FieldInput> inputs;
  if (!line.config.empty()) {
    inputs = json_inputs(read_json_file(line.config), line.config);
    resolve_paths(inputs, known, line.config);
  }
  inputs.insert(inputs.end(), line.inputs.begin(), line.inputs.end());
  if (presets) {
    const std::vector<FieldInput> first = presets(inputs);
    inputs.insert(inputs.begin(), first.begin(), first.end());
  }
  assign_fields(source, inputs, known);
  const std::vector<std::string> missing = missing_fields(source());
  if (missing.empty()) return;
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
  throw UsageError("required and not given: " + names, "--help lists the options");
}

}  // namespace svtune
