#include "cli/core/builtin_commands.h"

#include <unistd.h>

#include "base/errors.h"
#include "base/text_util.h"
#include "cli/core/application.h"
#include "cli/core/help_text.h"
#include "cli/core/terminal.h"

namespace svtune {

int run(const HelpOptions& options, CommandContext& context) {
  if (options.command.empty()) {
    context.out << program_help(context.commands, help_style());
    return 0;
  }
  const Command* command = find_command(context.commands, options.command);
  if (command == nullptr) throw unknown_command(context.commands, options.command);
  print_command_help(*command, context.out);
  return 0;
}

int run(const CompletionOptions& options, CommandContext& context) {
  context.out << (*options.shell == Shell::kBash ? bash_completion(context.commands)
                                                 : zsh_completion(context.commands));
  return 0;
}

int run(const ManOptions&, CommandContext& context) {
  context.out << man_page(context.program, context.commands);
  return 0;
}

int run(const DocsOptions&, CommandContext& context) {
  context.out << markdown_reference(context.commands);
  return 0;
}

}  // namespace svtune
