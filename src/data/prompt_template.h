// How an example becomes text: PiSSA's Alpaca prompt, the model's own chat template, the bare
// text, or a template file.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/conversation.h"
#include "data/example.h"
#include "data/prompt_text.h"
#include "text/tokenizer.h"

namespace svtune {

enum class PromptStyle { kAuto, kAlpaca, kChat, kRaw, kFile };
inline constexpr EnumName<PromptStyle> kPromptStyleNames[] = {
    {PromptStyle::kAuto, "auto", "chat when the model has a chat template, else alpaca"},
    {PromptStyle::kAlpaca, "alpaca", "instruction and response headings"},
    {PromptStyle::kChat, "chat", "the model's chat template"},
    {PromptStyle::kRaw, "raw", "prompt and completion as they are"},
    {PromptStyle::kFile, "file", "the text of --template-file"},
};
constexpr std::span<const EnumName<PromptStyle>> enum_names(PromptStyle) {
  return kPromptStyleNames;
}

struct PromptOptions {
  PromptStyle style = PromptStyle::kAuto;
  std::optional<std::filesystem::path> file = {};
  std::optional<std::string> system = {};
  std::optional<std::string> chat_template = {};
  SystemPlace system_place = SystemPlace::kAuto;
  std::optional<std::string> date = {};
  // No option: the source of the template itself (kChat, kFile), in place of a file.
  std::optional<std::string> text = {};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.style, {.name = "template", .help = "How prompts are written"});
    visit(self.file, {.name = "template_file",
                      .help = "Prompt text with {instruction} (or {prompt}) and {input}",
                      .value_name = "FILE",
                      .path = PathHint::kFile,
                      .when = only_with("template", "auto|file")});
    const FieldCondition chat = only_with("template", "auto|chat") && not_with("template_file");
    visit(self.system, {.name = "system",
                        .help = "System message of chat prompts",
                        .when = chat,
                        .free_text = true});
    visit(self.chat_template,
          {.name = "chat_template",
           .help = "Chat template in place of the model's: chatml, llama2, llama3, mistral, gemma "
                   "or a Jinja file",
           .value_name = "NAME|FILE",
           .path = PathHint::kFile,
           .when = chat});
    visit(self.system_place, {.name = "system_place",
                              .help = "Where the system message of a chat prompt stands",
                              .when = chat});
    visit(self.date, {.name = "date",
                      .help = "Day that a chat template sees where it asks for the date; the day "
                              "of the run when absent",
                      .value_name = "YYYY-MM-DD",
                      .when = chat});
  }
};

class PromptTemplate {
 public:
  // Throws UsageError when the style needs a chat template or a file that is not there or has
  // no use for an option that is given, and FileError when a template file is malformed.
  PromptTemplate(const PromptOptions& options, const Tokenizer& tokenizer);

  // The whole example, prompt and answer. Throws FileError when a chat template refuses it.
  PromptText whole(const Example& example) const;
  // The prompt alone, ready for the model's answer.
  PromptText prompt(const Example& example) const;
  // Whether texts depend on this part of an example: "system", "history", "tools".
  bool reads(std::string_view part) const;
  // Whether texts may depend on a field of messages, such as "name": the chat template has the
  // word.
  bool reads_field(std::string_view field) const;
  // The fields of the example's messages that they do not depend on, each once.
  std::vector<std::string> unread_fields(const Example& example) const;
  // What the template sees as the date, as --date takes it; nothing when it asks for none.
  const std::optional<std::string>& date() const { return date_; }
  // What a user should know before prompts are written, e.g. that --system is folded.
  const std::vector<std::string>& notices() const { return notices_; }
  PromptStyle style() const { return style_; }  // never kAuto
  // Source of the template of kChat and kFile; "" otherwise.
  const std::string& text() const { return chat_ ? chat_->source() : file_text_; }
  const std::optional<std::string>& system() const { return system_; }

 private:
  void choose_style(const PromptOptions& options, const Tokenizer& tokenizer);
  void load_chat(const PromptOptions& options, const Tokenizer& tokenizer);
  void load_file(const PromptOptions& options);
  void try_system(const PromptOptions& options);
  std::string pair_prompt(const Example& example) const;

  PromptStyle style_;
  std::optional<std::string> system_;
  std::string file_text_;
  std::optional<ConversationRenderer> chat_;
  std::optional<std::string> date_;
  std::vector<std::string> notices_;
};

}  // namespace svtune
