// How an example becomes text: PiSSA's Alpaca prompt, the model's own chat template, the bare
// text, or a template file.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fields.h"
#include "data/example.h"
#include "text/chat_template.h"
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

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit(self.style, {.name = "template", .help = "How prompts are written"});
    visit(self.file, {.name = "template_file",
                      .help = "Prompt text with {instruction} (or {prompt}) and {input}",
                      .value_name = "FILE",
                      .path = PathHint::kFile});
    visit(self.system, {.name = "system", .help = "System message of chat prompts"});
    visit(self.chat_template,
          {.name = "chat_template",
           .help = "Chat template in place of the model's: chatml, llama2, llama3, mistral, gemma "
                   "or a Jinja file",
           .value_name = "NAME|FILE",
           .path = PathHint::kFile});
  }
};

// A piece of the text and whether the model learns to write it.
struct PromptPart {
  std::string text;
  bool supervised = false;
};

struct PromptText {
  std::vector<PromptPart> parts;
  bool add_frame = true;  // the tokenizer's special tokens around the text (<s>, ...)
  bool add_end = true;    // the end token after the last part
};

class PromptTemplate {
 public:
  // Throws UsageError when the style needs a chat template or a file that is not there, and
  // FileError when a template file is malformed.
  PromptTemplate(const PromptOptions& options, const Tokenizer& tokenizer);

  // The whole example, prompt and answer. Throws FileError when a chat template refuses it.
  PromptText whole(const Example& example) const;
  // The prompt alone, ready for the model's answer.
  PromptText prompt(const Example& example) const;
  PromptStyle style() const { return style_; }

 private:
  void load_file(const PromptOptions& options);
  std::string pair_prompt(const Example& example) const;
  Json messages_of(const Example& example) const;
  ChatOptions chat_options(const Example& example, bool add_generation_prompt) const;

  PromptStyle style_;
  std::string file_text_;
  std::optional<std::string> system_;
  std::optional<ChatTemplate> chat_;
  std::optional<std::string> bos_, eos_;
  std::tm now_;  // one date for all prompts
};

}  // namespace svtune
