// Conversations through a chat template: fits what data sets write (roles, tool calls, system
// messages) to what the template takes, and tells which text the assistant learns to write.
#pragma once

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "base/field_info.h"
#include "data/example.h"
#include "data/prompt_text.h"
#include "text/chat_template.h"

namespace svtune {

// Where a system message goes.
enum class SystemPlace { kAuto, kOwn, kUser };
inline constexpr EnumName<SystemPlace> kSystemPlaceNames[] = {
    {SystemPlace::kAuto, "auto",
     "in a turn of its own; in the first user turn where the template refuses or drops that"},
    {SystemPlace::kOwn, "own", "in a turn of its own, or refuse the record"},
    {SystemPlace::kUser, "user", "at the head of the first user turn"},
};
constexpr std::span<const EnumName<SystemPlace>> enum_names(SystemPlace) {
  return kSystemPlaceNames;
}

struct ConversationOptions {
  std::optional<std::string> system = {};  // for conversations without a system message
  SystemPlace system_place = SystemPlace::kAuto;
  std::optional<std::string> bos = {}, eos = {};  // the tokenizer's
  std::optional<std::tm> now = {};  // date that the template sees; the clock's when absent
};

class ConversationRenderer {
 public:
  // `with_tools` takes the place of the template for examples with tools.
  ConversationRenderer(ChatTemplate plain, std::optional<ChatTemplate> with_tools,
                       ConversationOptions options);

  // The whole conversation. Throws FileError when the template refuses it, does not know one of
  // its roles, leaves out a tool call, or does not let the turns be told apart.
  PromptText whole(const Example& example) const;
  // Without the answer that ends it, ready for the model's.
  PromptText prompt(const Example& example) const;

  // Whether the template reads a variable or key of this name.
  bool mentions(std::string_view word) const;
  // Whether the template reads a field of messages.
  bool reads_field(std::string_view field) const;
  // The template's own text.
  const std::string& source() const { return plain_.source(); }

 private:
  struct Conversation;
  struct Rendered;

  const ChatTemplate& template_for(const Example& example) const;
  Conversation conversation_of(const Example& example) const;
  void name_roles(Conversation& conversation) const;
  void fit_roles(const Conversation& conversation) const;
  void fit_calls(Conversation& conversation) const;
  Rendered render(const Conversation& conversation, bool answered) const;
  Rendered render_contents(const Conversation& conversation, bool answered) const;
  Rendered render_calls(const Conversation& conversation, bool answered) const;
  Rendered render_as_is(const Conversation& conversation, bool answered) const;
  ChatOptions chat_options(const Conversation& conversation, bool answered) const;
  std::string text_of(const Conversation& conversation, bool answered) const;
  bool reads_message(const Rendered& rendered, std::size_t index, bool answered) const;
  bool reads_calls(const Rendered& rendered, std::size_t index, bool answered) const;
  bool writes_answer(const Rendered& rendered, std::size_t index) const;
  void count_losses(const Rendered& rendered, bool answered, PromptText& text) const;

  ChatTemplate plain_;
  std::optional<ChatTemplate> with_tools_;
  ConversationOptions options_;
};

}  // namespace svtune
