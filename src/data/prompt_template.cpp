#include "data/prompt_template.h"

#include <utility>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace {

constexpr std::uint64_t kMaxTemplateBytes = 1 << 20;

// The wording is the Alpaca data set's, as used by the PiSSA and MetaMath scripts: prompts
// must match it to the letter for their evaluation to compare.
constexpr char kIntro[] =
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n";
constexpr char kIntroWithInput[] =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n";

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

std::optional<std::string> token_text(const Tokenizer& tokenizer, std::optional<std::int32_t> id) {
  if (!id) return std::nullopt;
  return tokenizer.id_to_token(*id);
}

// Cuts a rendered conversation at the borders of the assistant's spans.
PromptText cut_at_spans(const RenderedChat& chat) {
  PromptText text{{}, false, false};
  std::size_t at = 0;
  const auto add = [&](std::size_t end, bool supervised) {
    if (end > at) text.parts.push_back({chat.text.substr(at, end - at), supervised});
    at = end;
  };
  for (const TextSpan& span : chat.assistant) {
    add(span.begin, false);
    add(span.end, true);
  }
  add(chat.text.size(), false);
  return text;
}

}  // namespace

PromptTemplate::PromptTemplate(const PromptOptions& options, const Tokenizer& tokenizer)
    : style_(options.style),
      system_(options.system),
      bos_(token_text(tokenizer, tokenizer.bos_id())),
      eos_(token_text(tokenizer, tokenizer.eos_id())) {
  const bool has_chat = !tokenizer.chat_template().empty();
  if (style_ == PromptStyle::kAuto) {
    style_ = options.file ? PromptStyle::kFile
             : has_chat   ? PromptStyle::kChat
                          : PromptStyle::kAlpaca;
  }
  if (style_ == PromptStyle::kFile) {
    if (!options.file) throw UsageError("--template file needs --template-file FILE");
    file_text_ = read_file(*options.file, kMaxTemplateBytes);
    if (file_text_.find("{instruction}") == std::string::npos &&
        file_text_.find("{prompt}") == std::string::npos) {
      throw FileError(options.file->string(), "the template has no {instruction} or {prompt}");
    }
  }
  if (style_ == PromptStyle::kChat) {
    if (!has_chat) {
      throw UsageError("the model has no chat template", "Choose --template alpaca, raw or file.");
    }
    chat_ = ChatTemplate::parse(tokenizer.chat_template(), "chat template");
  }
}

std::string PromptTemplate::pair_prompt(const Example& example) const {
  if (style_ == PromptStyle::kRaw) return example.prompt + example.input;
  if (style_ == PromptStyle::kFile) {
    std::string text = file_text_;
    replace_all(text, "{input}", example.input);
    replace_all(text, "{instruction}", example.prompt);
    replace_all(text, "{prompt}", example.prompt);
    return text;
  }
  if (example.input.empty()) {
    return std::string(kIntro) + "### Instruction:\n" + example.prompt + "\n\n### Response:";
  }
  return std::string(kIntroWithInput) + "### Instruction:\n" + example.prompt + "\n\n### Input:\n" +
         example.input + "\n\n### Response:";
}

Json PromptTemplate::messages_of(const Example& example) const {
  Json messages = Json::array();
  const bool has_system = example.kind == ExampleKind::kMessages && !example.messages.empty() &&
                          example.messages[0].at("role") == "system";
  if (system_ && !has_system) messages.push_back({{"role", "system"}, {"content", *system_}});
  if (example.kind == ExampleKind::kMessages) {
    for (const Json& each : example.messages) messages.push_back(each);
    return messages;
  }
  const std::string user =
      example.input.empty() ? example.prompt : example.prompt + "\n\n" + example.input;
  messages.push_back({{"role", "user"}, {"content", user}});
  messages.push_back({{"role", "assistant"}, {"content", example.completion}});
  return messages;
}

ChatOptions PromptTemplate::chat_options(bool add_generation_prompt) const {
  ChatOptions options;
  options.add_generation_prompt = add_generation_prompt;
  options.bos_token = bos_;
  options.eos_token = eos_;
  return options;
}

PromptText PromptTemplate::whole(const Example& example) const {
  if (example.kind == ExampleKind::kText) return {{{example.completion, true}}, true, true};
  if (style_ == PromptStyle::kChat) {
    return cut_at_spans(chat_->render_with_spans(messages_of(example), chat_options(false)));
  }
  if (example.kind == ExampleKind::kMessages) {
    throw UsageError("conversations need --template chat");
  }
  // PiSSA's scripts end an answer with a line break before the end token.
  const std::string end = style_ == PromptStyle::kAlpaca ? "\n" : "";
  return {{{pair_prompt(example), false}, {example.completion + end, true}}, true, true};
}

PromptText PromptTemplate::prompt(const Example& example) const {
  if (example.kind == ExampleKind::kText) return {{{example.completion, false}}, true, false};
  if (style_ == PromptStyle::kChat) {
    Json messages = messages_of(example);
    while (!messages.empty() && messages.back().at("role") == "assistant") {
      messages.erase(messages.size() - 1);
    }
    return {{{chat_->render(messages, chat_options(true)).text, false}}, false, false};
  }
  if (example.kind == ExampleKind::kMessages) {
    throw UsageError("conversations need --template chat");
  }
  return {{{pair_prompt(example), false}}, true, false};
}

}  // namespace svtune
