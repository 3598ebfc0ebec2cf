// svtune(1) in roff, man(7) macros.
#include "base/text_util.h"
#include "cli/core/command.h"
#include "cli/core/documents.h"
#include "cli/core/help_text.h"

namespace svtune {
namespace {

// A leading dot or quote would start a request, a plain dash may be set as a hyphen.
std::string roff(std::string_view text) {
  std::string out = replace_all(text, "\\", "\\e");
  out = replace_all(out, "-", "\\-");
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string option_entry(const FieldInfo& info) {
  const std::string facts = option_facts(info);
  std::string out = ".TP\n" + bold(option_signature(info)) + "\n" + roff(info.help);
  out += (facts.empty() ? "" : " (" + roff(facts) + ")") + ".\n";
  if (info.kind != FieldKind::kEnum) return out;
  out += ".RS\n";
  for (const FieldChoice& choice : info.choices) {
    out +=
        ".TP\n" + bold(choice.name) + "\n" + roff(choice.help.empty() ? " " : choice.help) + "\n";
  }
  return out + ".RE\n";
}

std::string paragraphs(std::string_view text) {
  const std::string marked = replace_all(text, "\n\n", "\x01");
  std::string out;
  for (const std::string_view paragraph : split(marked, '\x01'))
    out += ".PP\n" + roff(paragraph) + "\n";
  return out;
}

std::string command_section(const Command& command) {
  std::string out = ".SH \"SVTUNE " + upper(std::string(command.info.name)) + "\"\n";
  out += bold(usage_line(command)) + "\n.PP\n" + roff(command.info.summary) + ".\n";
  if (!command.info.description.empty()) out += paragraphs(command.info.description);
  for (const OptionGroup& group : group_options(command.fields())) {
    out += ".SS \"" + roff(group.title) + "\"\n";
    for (const FieldInfo& info : group.options) out += option_entry(info);
  }
  if (!command.info.examples.empty()) {
    out += ".SS Examples\n.nf\n";
    for (const std::string_view line : split(command.info.examples, '\n')) out += roff(line) + "\n";
    out += ".fi\n";
  }
  return out;
}

}  // namespace

std::string man_page(const ProgramInfo& program, const std::vector<Command>& commands) {
  std::string out =
      ".TH SVTUNE 1 \"\" \"svtune " + roff(program.version) + "\" \"User Commands\"\n";
  out +=
      ".SH NAME\nsvtune \\- fine\\-tune language models through singular vectors\n"
      ".SH SYNOPSIS\n.B svtune\n.I COMMAND\n[options]\n"
      ".SH DESCRIPTION\n"
      "Trains adapters (PiSSA, SVFT, LoRA) or all weights of language models in the Hugging Face\n"
      "layout or GGUF, evaluates them and generates text.\n.PP\n"
      "Every command that reads \\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR takes its options "
      "also\n"
      "from a JSON object with underscores for dashes; flags win over the file.\n"
      "Paths in it that begin with a dot are relative to the file.\n"
      ".SH COMMANDS\n";
  for (const Command& command : commands) {
    out += ".TP\n" + bold(command.info.name) + "\n" + roff(command.info.summary) + ".\n";
  }
  for (const Command& command : commands) out += command_section(command);
  out +=
      ".SH \"EXIT STATUS\"\n.TP\n0\nSuccess.\n.TP\n1\nThe run failed; one line \\fBerror:\\fR and "
      "one "
      "line \\fBhint:\\fR say why.\n.TP\n2\nThe command line or a configuration is wrong.\n"
      ".TP\n129, 130, 141, 143\nA signal (HUP, INT, PIPE, TERM) stopped training after a "
      "checkpoint.\n"
      ".SH ENVIRONMENT\n.TP\nNO_COLOR\nNo colours when set.\n.TP\nCI\nPlain lines instead of a "
      "progress bar when set.\n";
  return out;
}

}  // namespace svtune
