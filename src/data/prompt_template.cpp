#include "data/prompt_template.h"

#include <algorithm>
#include <ctime>
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

// Fills the placeholders in one pass, so that text put in is not searched again.
std::string fill_placeholders(const std::string& pattern, const Example& example) {
  std::string out;
  for (std::size_t at = 0; at < pattern.size();) {
    const std::string_view rest = std::string_view(pattern).substr(at);
    const auto put = [&](std::string_view name, const std::string& value) {
      if (!rest.starts_with(name)) return false;
      out += value;
      at += name.size();
      return true;
    };
    if (put("{instruction}", example.prompt) || put("{prompt}", example.prompt) ||
        put("{input}", example.input)) {
      continue;
    }
    out.push_back(pattern[at++]);
  }
  return out;
}

// Instruction and further context as one text.
std::string joined_prompt(const Example& example, std::string_view between) {
  if (example.input.empty()) return example.prompt;
  return example.prompt + std::string(between) + example.input;
}

// The named template, the one in a file, or the model's own; nothing when there is none.
std::optional<ChatTemplate> choose_chat_template(const PromptOptions& options,
                                                 const Tokenizer& tokenizer) {
  if (!options.chat_template) {
    if (tokenizer.chat_template().empty()) return std::nullopt;
    return ChatTemplate::parse(tokenizer.chat_template(), "the model's chat template");
  }
  const auto names = ChatTemplate::builtin_names();
  const bool builtin = std::find(names.begin(), names.end(), *options.chat_template) != names.end();
  if (builtin || !std::filesystem::exists(*options.chat_template)) {
    return ChatTemplate::builtin(*options.chat_template);
  }
  return ChatTemplate::parse(read_file(*options.chat_template, kMaxTemplateBytes),
                             *options.chat_template);
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

std::tm local_time() {
  const std::time_t seconds = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return local;
}

}  // namespace

PromptTemplate::PromptTemplate(const PromptOptions& options, const Tokenizer& tokenizer)
    : style_(options.style),
      system_(options.system),
      bos_(token_text(tokenizer, tokenizer.bos_id())),
      eos_(token_text(tokenizer, tokenizer.eos_id())),
      now_(local_time()) {
  if (style_ == PromptStyle::kAuto) {
    const bool has_chat = options.chat_template || !tokenizer.chat_template().empty();
    style_ = options.file ? PromptStyle::kFile
             : has_chat   ? PromptStyle::kChat
                          : PromptStyle::kAlpaca;
  }
  if (style_ == PromptStyle::kFile) load_file(options);
  if (style_ == PromptStyle::kChat) {
    chat_ = choose_chat_template(options, tokenizer);
    if (!chat_) {
      throw UsageError("the model has no chat template",
                       "Name one with --chat-template, or choose --template alpaca, raw or file.");
    }
  }
}

void PromptTemplate::load_file(const PromptOptions& options) {
  if (!options.file) throw UsageError("--template file needs --template-file FILE");
  file_text_ = read_file(*options.file, kMaxTemplateBytes);
  if (file_text_.find("{instruction}") == std::string::npos &&
      file_text_.find("{prompt}") == std::string::npos) {
    throw FileError(options.file->string(), "the template has no {instruction} or {prompt}");
  }
}

std::string PromptTemplate::pair_prompt(const Example& example) const {
  if (style_ == PromptStyle::kRaw) return joined_prompt(example, "\n");
  if (style_ == PromptStyle::kFile) {
    if (file_text_.find("{input}") != std::string::npos) {
      return fill_placeholders(file_text_, example);
    }
    Example joined;
    joined.prompt = joined_prompt(example, "\n");
    return fill_placeholders(file_text_, joined);
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
  messages.push_back({{"role", "user"}, {"content", joined_prompt(example, "\n\n")}});
  messages.push_back({{"role", "assistant"}, {"content", example.completion}});
  return messages;
}

ChatOptions PromptTemplate::chat_options(const Example& example, bool add_generation_prompt) const {
  ChatOptions options;
  if (example.tools.is_array()) options.variables["tools"] = example.tools;
  options.add_generation_prompt = add_generation_prompt;
  options.bos_token = bos_;
  options.eos_token = eos_;
  options.now = now_;
  return options;
}

PromptText PromptTemplate::whole(const Example& example) const {
  if (example.kind == ExampleKind::kText) return {{{example.completion, true}}, true, true};
  if (style_ == PromptStyle::kChat) {
    return cut_at_spans(
        chat_->render_with_spans(messages_of(example), chat_options(example, false)));
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
    return {{{chat_->render(messages, chat_options(example, true)).text, false}}, false, false};
  }
  if (example.kind == ExampleKind::kMessages) {
    throw UsageError("conversations need --template chat");
  }
  return {{{pair_prompt(example), false}}, true, false};
}

}  // namespace svtune
