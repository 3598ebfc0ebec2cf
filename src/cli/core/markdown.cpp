// Options reference in Markdown.
#include "base/text_util.h"
#include "cli/core/command.h"
#include "cli/core/documents.h"
#include "cli/core/help_text.h"

namespace svtune {
namespace {

std::string code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

// A bar inside a code span would still end the cell.
std::string cell(const std::string& text) { return replace_all(text, "|", "\\|"); }

std::string default_cell(const FieldInfo& info) {
  if (info.required) return "required";
  if (info.kind == FieldKind::kBool && info.value.is_boolean()) {
    return info.value.get<bool>() ? "on" : "off";
  }
  return code(field_value_text(info, info.value));
}

std::string allowed_cell(const FieldInfo& info) {
  std::string out;
  if (info.choices.empty()) {
    const std::string range = field_range_text(info);
    out = field_type_text(info) + (range.empty() ? "" : ", " + range);
  } else {
    for (const FieldChoice& choice : info.choices) {
      out += (out.empty() ? "" : "<br>") + code(choice.name) +
             (choice.help.empty() ? "" : " " + choice.help);
    }
    if (info.shape == FieldShape::kList) out = "list of<br>" + out;
  }
  return out + (info.unit.empty() ? "" : " (" + info.unit + ")");
}

std::string meaning_cell(const FieldInfo& info) {
  const std::string use = field_use_text(info);
  return info.help + (use.empty() ? "" : " (" + use + ")");
}

std::string table(const OptionGroup& group) {
  std::string out = "**" + cell(group.title) + "**\n\n";
  out += "| Option | Allowed | Default | Meaning |\n|---|---|---|---|\n";
  for (const FieldInfo& info : group.options) {
    out += "| " + code(cell(option_signature(info))) + " | " + cell(allowed_cell(info)) + " | " +
           cell(default_cell(info)) + " | " + cell(meaning_cell(info)) + " |\n";
  }
  return out;
}

}  // namespace

std::string markdown_reference(const std::vector<Command>& commands) {
  std::string out =
      "# Options\n\n"
      "Written by `svtune docs` from the declared options; a test compares the two.\n\n"
      "Every command that takes `--config FILE` reads the same options from a JSON object, with\n"
      "underscores for dashes (`--learning-rate 1e-4` is `\"learning_rate\": 1e-4`). Flags win "
      "over\n"
      "the file. Paths in the file that begin with a dot are relative to it, others to the "
      "working\n"
      "directory. Lists are given as `a,b` or by repeating the flag, pairs as `name=value,...`; "
      "an\n"
      "empty text clears them. `none` unsets an optional number. An option given where it does "
      "not\n"
      "apply is refused; of two that exclude each other, a flag replaces the file's. An empty "
      "path\n"
      "or name takes back the file's, and is refused where there is none.\n";
  for (const Command& command : commands) {
    out += "\n## svtune " + std::string(command.info.name) + "\n\n" +
           std::string(command.info.summary) + ".\n\n";
    if (!command.info.description.empty()) out += std::string(command.info.description) + "\n\n";
    out += "```sh\n" + usage_line(command) + "\n```\n";
    for (const OptionGroup& group : group_options(command.fields())) out += "\n" + table(group);
    if (!command.info.examples.empty()) {
      out += "\nExamples:\n\n```sh\n" + std::string(command.info.examples) + "\n```\n";
    }
  }
  return out;
}

}  // namespace svtune
