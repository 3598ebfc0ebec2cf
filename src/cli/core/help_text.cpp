#include "cli/core/help_text.h"

#include <algorithm>

#include "base/text_util.h"
#include "cli/core/command.h"

namespace svtune {
namespace {

constexpr int kOptionColumn = 28;

std::string heading(const std::string& title, const HelpStyle& style) {
  return style.colour ? "\x1b[1m" + title + "\x1b[0m\n" : title + "\n";
}

std::string group_title(const FieldInfo& info) {
  if (info.positional) return "Arguments";
  if (!info.owner.empty()) {
    return "With " + field_flag(info.owner) + " " + join(info.owner_values, " | ");
  }
  return info.group.empty() ? "Options" : info.group;
}

std::string paragraphs(std::string_view text, int width) {
  const std::string marked = replace_all(text, "\n\n", "\x01");
  std::string out;
  for (const std::string_view paragraph : split(marked, '\x01')) {
    out += "\n" + wrap_text(paragraph, 0, width);
  }
  return out;
}

std::string option_entry(const FieldInfo& info, int width) {
  const std::string facts = option_facts(info);
  std::string text = info.help + (facts.empty() ? "" : " (" + facts + ")");
  std::string out = "  " + option_signature(info);
  const bool fits = out.size() + 2 <= kOptionColumn;
  const std::string body = wrap_text(text, kOptionColumn, width);
  out += fits ? body.substr(out.size()) : "\n" + body;
  for (const FieldChoice& choice : info.choices) {
    if (info.kind != FieldKind::kEnum) break;
    const std::string line = choice.name + (choice.help.empty() ? "" : ": " + choice.help);
    out += wrap_text(line, kOptionColumn + 2, width);
  }
  return out;
}

std::string name_and_summary(std::string_view name, std::string_view summary, int width) {
  std::string out = "  " + std::string(name);
  return out + wrap_text(summary, 14, width).substr(out.size());
}

}  // namespace

std::string wrap_text(std::string_view text, int indent, int width) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  std::string out;
  std::string line = margin;
  for (const std::string_view word : split(text, ' ')) {
    const bool first = line.size() == margin.size();
    if (!first && line.size() + 1 + word.size() > static_cast<std::size_t>(width)) {
      out += line + "\n";
      line = margin + std::string(word);
    } else {
      line += (first ? "" : " ") + std::string(word);
    }
  }
  return out + line + "\n";
}

std::vector<OptionGroup> group_options(const std::vector<FieldInfo>& fields) {
  std::vector<OptionGroup> groups = {{"Arguments", {}}, {"Options", {}}};
  std::vector<OptionGroup> owned;
  for (const FieldInfo& info : fields) {
    std::vector<OptionGroup>& target = info.owner.empty() ? groups : owned;
    const std::string title = group_title(info);
    auto it = std::find_if(target.begin(), target.end(),
                           [&](const OptionGroup& group) { return group.title == title; });
    if (it == target.end()) it = target.insert(target.end(), OptionGroup{title, {}});
    it->options.push_back(info);
  }
  groups.insert(groups.end(), owned.begin(), owned.end());
  std::erase_if(groups, [](const OptionGroup& group) { return group.options.empty(); });
  return groups;
}

std::string option_signature(const FieldInfo& info) {
  const bool list = info.shape == FieldShape::kList;
  const bool single = info.shape == FieldShape::kScalar || info.shape == FieldShape::kOptional;
  if (info.positional) return field_placeholder(info) + (list ? "..." : "");
  if (info.kind == FieldKind::kBool && single) {
    return "--[no-]" + field_flag(info.name).substr(2);
  }
  const std::string separator = info.separator == 0 ? "" : std::string(1, info.separator) + "...";
  return field_flag(info.name) + " " + field_placeholder(info) + (single ? "" : separator);
}

std::string option_facts(const FieldInfo& info) {
  std::vector<std::string> facts;
  // "Numerator of the scaling (default: the rank)" says already what stands in for none.
  const bool told = info.value.is_null() && info.help.find("(default: ") != std::string::npos;
  if (info.required) {
    facts.push_back("required");
  } else if (!told && !field_value_text(info, info.value).empty()) {
    const bool on_off = info.kind == FieldKind::kBool && info.value.is_boolean();
    facts.push_back("default " + (on_off ? std::string(info.value.get<bool>() ? "on" : "off")
                                         : field_value_text(info, info.value)));
  }
  if (const std::string range = field_range_text(info); !range.empty()) facts.push_back(range);
  if (!info.unit.empty()) facts.push_back("in " + info.unit);
  if (const std::string use = field_use_text(info); !use.empty()) facts.push_back(use);
  return join(facts, "; ");
}

std::string usage_line(const Command& command) {
  std::string out = "svtune " + std::string(command.info.name);
  bool more = command.info.config;
  for (const FieldInfo& info : command.fields()) {
    if (info.required || info.positional) {
      out += info.required ? " " + option_signature(info) : " [" + option_signature(info) + "]";
    } else {
      more = true;
    }
  }
  return out + (more ? " [options]" : "");
}

std::string command_help(const Command& command, const HelpStyle& style) {
  std::string out = heading("Usage", style) + "  " + usage_line(command) + "\n";
  out += "\n" + wrap_text(std::string(command.info.summary) + ".", 0, style.width);
  if (!command.info.description.empty()) out += paragraphs(command.info.description, style.width);
  for (const OptionGroup& group : group_options(command.fields())) {
    out += "\n" + heading(group.title, style);
    for (const FieldInfo& info : group.options) out += option_entry(info, style.width);
  }
  out += "\n" + heading("General", style);
  if (command.info.config) {
    out += "  -c, --config FILE         " +
           wrap_text(
               "JSON file with any of these options, dashes written as underscores; the "
               "flags win over it",
               kOptionColumn, style.width)
               .substr(kOptionColumn);
  }
  out += "  -h, --help                Show this text\n";
  if (!command.info.examples.empty()) {
    out += "\n" + heading("Examples", style);
    for (const std::string_view line : split(command.info.examples, '\n')) {
      out += "  " + std::string(line) + "\n";
    }
  }
  return out;
}

std::string program_help(const std::vector<Command>& commands, const HelpStyle& style) {
  std::string out = heading("Usage", style) + "  svtune COMMAND [options]\n\n";
  out += wrap_text("Fine-tune language models through the singular vectors of their weights.", 0,
                   style.width);
  out += "\n" + heading("Commands", style);
  for (const Command& command : commands) {
    out += name_and_summary(command.info.name, command.info.summary, style.width);
  }
  out += "\n" + heading("Options", style);
  out += name_and_summary("-h, --help", "Show this text; svtune help COMMAND for one command",
                          style.width);
  out += name_and_summary("--version", "Show the version", style.width);
  return out;
}

}  // namespace svtune
