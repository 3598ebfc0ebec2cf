// Shell completion for bash and zsh: commands, flags, the values of choices, and paths.
#include "base/text_util.h"
#include "cli/core/command.h"
#include "cli/core/documents.h"
#include "cli/core/help_text.h"
#include "cli/core/option_parser.h"

namespace svtune {
namespace {

// An option of several alternatives appears once.
std::vector<FieldInfo> unique_fields(const Command& command) {
  std::vector<FieldInfo> out;
  for (const FieldInfo& info : command.fields()) {
    bool seen = false;
    for (const FieldInfo& known : out) seen = seen || known.name == info.name;
    if (!seen) out.push_back(info);
  }
  return out;
}

std::string choice_words(const FieldInfo& info) {
  std::string out;
  for (const FieldChoice& choice : info.choices) out += (out.empty() ? "" : " ") + choice.name;
  return out;
}

std::string flag_words(const Command& command) {
  std::string out = command.info.config ? "--help --config" : "--help";
  for (const FieldInfo& info : unique_fields(command)) {
    if (info.positional) continue;
    const std::string flag = field_flag(info.name);
    out += " " + flag;
    if (is_switch(info)) out += " --no-" + flag.substr(2);
  }
  return out;
}

std::string bash_value(const FieldInfo& info) {
  if (!info.choices.empty()) return "compgen -W '" + choice_words(info) + "' -- \"$word\"";
  if (info.kind != FieldKind::kPath) return "";
  const bool folder = info.path == PathHint::kDirectory;
  return std::string("compgen -") + (folder ? "d" : "f") + " -- \"$word\"";
}

std::string bash_case(const Command& command) {
  const std::string name(command.info.name);
  std::string out;
  std::string positional;
  for (const FieldInfo& info : unique_fields(command)) {
    const std::string value = bash_value(info);
    if (info.positional && positional.empty()) positional = value;
    if (info.positional || is_switch(info)) continue;
    out += "    " + name + ":" + field_flag(info.name) + ") " + (value.empty() ? "true" : value) +
           " ;;\n";
  }
  out += "    " + name + ":*) ";
  if (!positional.empty()) out += "[[ $word == -* ]] || " + positional + "; ";
  return out + "compgen -W '" + flag_words(command) + "' -- \"$word\" ;;\n";
}

// Inside single quotes, with the characters that _arguments reads as its own.
std::string zsh_text(std::string_view text) {
  std::string out = replace_all(text, "'", "'\\''");
  for (const char* special : {"[", "]", ":"}) {
    out = replace_all(out, special, std::string("\\") + special);
  }
  return out;
}

std::string zsh_action(const FieldInfo& info) {
  if (!info.choices.empty()) return "(" + choice_words(info) + ")";
  if (info.kind != FieldKind::kPath) return " ";
  return info.path == PathHint::kDirectory ? "_files -/" : "_files";
}

std::string zsh_spec(const FieldInfo& info) {
  const std::string flag = field_flag(info.name);
  const std::string help = "[" + zsh_text(info.help) + "]";
  const std::string value = ":" + zsh_text(field_placeholder(info)) + ":" + zsh_action(info);
  const bool many = info.shape == FieldShape::kList || info.shape == FieldShape::kMap;
  if (info.positional) return std::string("'") + (many ? "*" : "") + value + "'";
  if (is_switch(info)) {
    return "'" + flag + help + "' '--no-" + flag.substr(2) + "[off\\: " + zsh_text(info.help) +
           "]'";
  }
  return std::string("'") + (many ? "*" : "") + flag + help + value + "'";
}

std::string zsh_case(const Command& command) {
  std::string out = "      " + std::string(command.info.name) + ")\n        _arguments";
  out += " \\\n          '(-h --help)'{-h,--help}'[show the help]'";
  if (command.info.config) {
    out += " \\\n          '(-c --config)'{-c,--config}'[JSON file with options]:FILE:_files'";
  }
  for (const FieldInfo& info : unique_fields(command)) out += " \\\n          " + zsh_spec(info);
  return out + " ;;\n";
}

}  // namespace

std::string bash_completion(const std::vector<Command>& commands) {
  std::string names;
  std::string cases;
  for (const Command& command : commands) {
    names += (names.empty() ? "" : " ") + std::string(command.info.name);
    cases += bash_case(command);
  }
  return "# bash completion for svtune\n"
         "_svtune_candidates() {\n"
         "  local command=$1 previous=$2 word=$3\n"
         "  case \"$command:$previous\" in\n"
         "    *:--config | *:-c) compgen -f -- \"$word\" ;;\n"
         "    help:*) compgen -W '" +
         names + "' -- \"$word\" ;;\n" + cases +
         "  esac\n"
         "}\n"
         "_svtune() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]}\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         names +
         " --help --version' -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  mapfile -t COMPREPLY < <(_svtune_candidates \"${COMP_WORDS[1]}\" "
         "\"${COMP_WORDS[COMP_CWORD-1]}\" \"$word\")\n"
         "  compopt -o filenames 2>/dev/null\n"
         "}\n"
         "complete -F _svtune svtune\n";
}

std::string zsh_completion(const std::vector<Command>& commands) {
  std::string names;
  std::string cases;
  for (const Command& command : commands) {
    names +=
        "    '" + std::string(command.info.name) + ":" + zsh_text(command.info.summary) + "'\n";
    cases += zsh_case(command);
  }
  return "#compdef svtune\n"
         "_svtune() {\n"
         "  local context state line\n"
         "  local -a commands=(\n" +
         names +
         "  )\n"
         "  _arguments -C '(- *)--version[show the version]' '(- *)'{-h,--help}'[show the help]' "
         "\\\n"
         "    '1:command:->command' '*::options:->options'\n"
         "  case $state in\n"
         "    command) _describe command commands ;;\n"
         "    options)\n"
         "      case $line[1] in\n"
         "      help) _describe command commands ;;\n" +
         cases +
         "      esac ;;\n"
         "  esac\n"
         "}\n"
         "_svtune \"$@\"\n";
}

}  // namespace svtune
