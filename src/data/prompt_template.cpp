#include "data/prompt_template.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/text_util.h"
#include "data/template_date.h"
#include "data/turns.h"

namespace svtune {
namespace {

constexpr std::uint64_t kMaxTemplateBytes = 1 << 20;

// A byte order mark would stand in every prompt.
std::string read_template(const std::filesystem::path& path) {
  return std::string(without_byte_order_mark(read_file(path, kMaxTemplateBytes)));
}

// The wording is the Alpaca data set's, as used by the PiSSA and MetaMath scripts: prompts
// must match it to the letter for their evaluation to compare.
constexpr char kIntro[] =
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n";
constexpr char kIntroWithInput[] =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n";

// Names in single braces that nothing is put in place of, each once: {output} and its like.
std::vector<std::string> unknown_placeholders(std::string_view pattern) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
  std::vector<std::string> names;
  for (std::size_t at = pattern.find('{'); at != pattern.npos; at = pattern.find('{', at + 1)) {
    const std::size_t end = pattern.find_first_not_of(kLetters, at + 1);
    if (end == pattern.npos || end == at + 1 || pattern[end] != '}') continue;
    const std::string name(pattern.substr(at, end + 1 - at));
    const bool known = name == "{instruction}" || name == "{prompt}" || name == "{input}";
    if (!known && !std::ranges::count(names, name)) names.push_back(name);
  }
  return names;
}

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

struct ChatTemplates {
  ChatTemplate plain;
  std::optional<ChatTemplate> with_tools;
};

// The named template, the one in a file, or the model's own; nothing when there is none.
std::optional<ChatTemplates> choose_chat_templates(const PromptOptions& options,
                                                   const Tokenizer& tokenizer) {
  if (options.text) {
    return ChatTemplates{ChatTemplate::parse(*options.text, "the chat template of training"),
                         std::nullopt};
  }
  if (!options.chat_template) {
    if (tokenizer.chat_template().empty()) return std::nullopt;
    ChatTemplates own{ChatTemplate::parse(tokenizer.chat_template(), "the model's chat template"),
                      std::nullopt};
    if (!tokenizer.tool_chat_template().empty()) {
      own.with_tools =
          ChatTemplate::parse(tokenizer.tool_chat_template(), "the model's tool_use template");
    }
    return own;
  }
  const auto names = ChatTemplate::builtin_names();
  const bool builtin = std::find(names.begin(), names.end(), *options.chat_template) != names.end();
  if (builtin || !std::filesystem::exists(*options.chat_template)) {
    return ChatTemplates{ChatTemplate::builtin(*options.chat_template), std::nullopt};
  }
  return ChatTemplates{
      ChatTemplate::parse(read_template(*options.chat_template), *options.chat_template),
      std::nullopt};
}

// An option that the chosen template cannot use is a mistake, not a wish to be dropped.
void refuse_unused(const PromptOptions& options, PromptStyle style) {
  const auto refuse = [](const char* option, const char* needed) {
    throw UsageError(std::string(option) + " has no effect: prompts are not written by " + needed,
                     std::string("Leave it out, or choose another --template."));
  };
  if (options.file && style != PromptStyle::kFile) refuse("--template-file", "a template file");
  if (style == PromptStyle::kChat) return;
  if (options.chat_template) refuse("--chat-template", "a chat template");
  if (options.system) refuse("--system", "a chat template");
  if (options.system_place != SystemPlace::kAuto) refuse("--system-place", "a chat template");
  if (options.date) refuse("--date", "a chat template");
}

[[noreturn]] void refuse_conversation(PromptStyle style) {
  throw FileError("--template " + std::string(enum_name(style)), "has no place for a conversation",
                  "Choose --template chat; where the model has no chat template, name one with "
                  "--chat-template.");
}

std::optional<std::string> token_text(const Tokenizer& tokenizer, std::optional<std::int32_t> id) {
  if (!id) return std::nullopt;
  return tokenizer.id_to_token(*id);
}

}  // namespace

PromptTemplate::PromptTemplate(const PromptOptions& options, const Tokenizer& tokenizer)
    : style_(options.style), system_(options.system) {
  choose_style(options, tokenizer);
  refuse_unused(options, style_);
  if (style_ == PromptStyle::kFile) load_file(options);
  if (style_ == PromptStyle::kChat) load_chat(options, tokenizer);
}

void PromptTemplate::choose_style(const PromptOptions& options, const Tokenizer& tokenizer) {
  if (style_ != PromptStyle::kAuto) return;
  const bool chat = options.chat_template || !tokenizer.chat_template().empty();
  style_ = options.file ? PromptStyle::kFile : chat ? PromptStyle::kChat : PromptStyle::kAlpaca;
}

void PromptTemplate::load_chat(const PromptOptions& options, const Tokenizer& tokenizer) {
  std::optional<ChatTemplates> chosen = choose_chat_templates(options, tokenizer);
  if (!chosen) {
    throw UsageError("the model has no chat template",
                     "Name one with --chat-template, or choose --template alpaca, raw or file.");
  }
  ConversationOptions conversation{.system = options.system,
                                   .system_place = options.system_place,
                                   .bos = token_text(tokenizer, tokenizer.bos_id()),
                                   .eos = token_text(tokenizer, tokenizer.eos_id())};
  const std::string date = options.date.value_or(today());
  conversation.now = parse_date(date);
  chat_.emplace(std::move(chosen->plain), std::move(chosen->with_tools), std::move(conversation));
  if (chat_->mentions("strftime_now")) {
    date_ = date;
  } else if (options.date) {
    throw UsageError("--date has no effect: the chat template asks for no date", "Leave it out.");
  }
  if (options.system) try_system(options);
}

// Prompts that a user types are not counted as data are, so folding is told here.
void PromptTemplate::try_system(const PromptOptions& options) {
  Example question;
  question.prompt = "x";
  try {
    if (options.system_place == SystemPlace::kAuto && chat_->prompt(question).folded_system) {
      notices_.push_back(
          "the chat template takes no system message; --system stands at the head "
          "of the first user turn");
    }
  } catch (const FileError&) {
    return;  // the first real prompt will say why
  }
}

void PromptTemplate::load_file(const PromptOptions& options) {
  if (options.text) {
    file_text_ = *options.text;
    return;
  }
  if (!options.file) throw UsageError("--template file needs --template-file FILE");
  file_text_ = read_template(*options.file);
  if (file_text_.find("{instruction}") == std::string::npos &&
      file_text_.find("{prompt}") == std::string::npos) {
    throw FileError(options.file->string(), "the template has no {instruction} or {prompt}");
  }
  const std::string name = options.file->string();
  const std::vector<std::string> unknown = unknown_placeholders(file_text_);
  if (!unknown.empty()) {
    notices_.push_back(name + ": " + join_some(unknown, ", ") +
                       " stands in every prompt as it is; only {instruction}, {prompt} and {input} "
                       "are filled in, and the answer is put behind the text");
  }
  if (file_text_.find("{{") != std::string::npos || file_text_.find("{%") != std::string::npos) {
    notices_.push_back(name +
                       ": {{ and {% stand in every prompt as they are; a Jinja template is "
                       "given by --chat-template");
  }
}

std::string PromptTemplate::pair_prompt(const Example& example) const {
  if (style_ == PromptStyle::kRaw) return joined_prompt(example.prompt, example.input, "\n");
  if (style_ == PromptStyle::kFile) {
    if (file_text_.find("{input}") != std::string::npos) {
      return fill_placeholders(file_text_, example);
    }
    Example joined;
    joined.prompt = joined_prompt(example.prompt, example.input, "\n");
    return fill_placeholders(file_text_, joined);
  }
  if (example.input.empty()) {
    return std::string(kIntro) + "### Instruction:\n" + example.prompt + "\n\n### Response:";
  }
  return std::string(kIntroWithInput) + "### Instruction:\n" + example.prompt + "\n\n### Input:\n" +
         example.input + "\n\n### Response:";
}

bool PromptTemplate::reads(std::string_view part) const {
  if (part != "system" && part != "history" && part != "tools") return true;
  return style_ == PromptStyle::kChat && (part != "tools" || chat_->mentions("tools"));
}

bool PromptTemplate::reads_field(std::string_view field) const {
  return style_ == PromptStyle::kChat && chat_->reads_field(field);
}

std::vector<std::string> PromptTemplate::unread_fields(const Example& example) const {
  std::vector<std::string> fields = further_fields(example.messages);
  for (const std::string& field : further_fields(example.history)) {
    if (!std::ranges::count(fields, field)) fields.push_back(field);
  }
  std::erase_if(fields, [this](const std::string& field) { return reads_field(field); });
  return fields;
}

PromptText PromptTemplate::whole(const Example& example) const {
  if (example.kind == ExampleKind::kText) return {{{example.completion, true}}, true, true};
  if (style_ == PromptStyle::kChat) return chat_->whole(example);
  if (example.kind == ExampleKind::kMessages) refuse_conversation(style_);
  // PiSSA's scripts end an answer with a line break before the end token.
  const std::string end = style_ == PromptStyle::kAlpaca ? "\n" : "";
  return {{{pair_prompt(example), false}, {example.completion + end, true}}, true, true};
}

PromptText PromptTemplate::prompt(const Example& example) const {
  if (example.kind == ExampleKind::kText) return {{{example.completion, false}}, true, false};
  if (style_ == PromptStyle::kChat) return chat_->prompt(example);
  if (example.kind == ExampleKind::kMessages) refuse_conversation(style_);
  return {{{pair_prompt(example), false}}, true, false};
}

}  // namespace svtune
