#include <unistd.h>

#include <iostream>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "cli/core/terminal.h"
#include "cli/generate_command.h"
#include "data/encode.h"
#include "io/load_tokenizer.h"
#include "nn/row_route.h"

namespace svtune {
namespace {

constexpr std::string_view kSwitch = "/adapter";

bool is_switch(std::string_view line) {
  return line == kSwitch || line.starts_with(std::string(kSwitch) + " ");
}

// A name that is none is told, and the conversation goes on as it was.
void switch_adapter(const LoadedModel& loaded, const std::string& line, TextOptions& text,
                    CommandContext& context) {
  const std::string name = line == kSwitch ? "" : line.substr(kSwitch.size() + 1);
  try {
    text.tokens.adapters = {name.empty() ? kNoAdapter
                                         : loaded.adapter_called(name, std::string(kSwitch))};
  } catch (const FileError& error) {
    context.warn(error.what());
  }
}

}  // namespace

int run(const ChatCommandOptions& options, CommandContext& context) {
  LoadedModel loaded = load_for_command(options.model, context);
  const Tokenizer tokenizer = load_tokenizer(options.model.model);
  PromptOptions prompt;
  prompt.style = PromptStyle::kChat;
  prompt.system = options.system;
  prompt.chat_template = options.chat_template;
  const PromptTemplate chosen = prompt_for_command(loaded, prompt, tokenizer, context);
  const ExampleEncoder encoder(tokenizer, chosen, {});
  TextOptions text =
      text_options(options.answer, answer_ends(options.model.model, tokenizer, chosen));
  Example conversation;
  conversation.kind = ExampleKind::kMessages;
  conversation.messages = Json::array();
  const bool asks = inspect_terminal(STDIN_FILENO).interactive;
  std::string line;
  for (;;) {
    if (asks) context.err << "> " << std::flush;
    if (!std::getline(std::cin, line)) break;
    if (line.ends_with('\r')) line.pop_back();
    if (line == "/quit") break;
    if (line == "/reset") {
      conversation.messages = Json::array();
      continue;
    }
    if (line.empty()) continue;
    if (loaded.routed() && is_switch(line)) {
      switch_adapter(loaded, line, text, context);
      continue;
    }
    conversation.messages.push_back({{"role", "user"}, {"content", line}});
    const std::vector<TextAnswer> answers = generate_text(
        *loaded.model.net, tokenizer, {encoder.encode_prompt(conversation)}, text,
        [&](std::size_t, std::string_view piece) { context.out << piece << std::flush; });
    context.out << "\n";
    conversation.messages.push_back({{"role", "assistant"}, {"content", answers[0].text}});
    ++text.tokens.sampling.seed;
  }
  return 0;
}

}  // namespace svtune
