#include "data/conversation.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "data/tool_calls.h"

namespace svtune {
namespace {

bool has_literal(const std::string& source, const std::string& text) {
  return source.find("'" + text + "'") != std::string::npos ||
         source.find("\"" + text + "\"") != std::string::npos;
}

bool is_role(const Json& message, const char* role) {
  const auto found = message.find("role");
  return found != message.end() && *found == role;
}

std::string content_of(const Json& message) {
  const auto content = message.find("content");
  return content == message.end() ? "" : message_text(*content).value_or("");
}

}  // namespace

std::string joined_prompt(const std::string& prompt, const std::string& input,
                          const char* between) {
  return input.empty() ? prompt : prompt + between + input;
}

struct ConversationRenderer::Conversation {
  const ChatTemplate* chat_template = nullptr;
  Json messages = Json::array();
  std::vector<MessageNote> notes;  // one a message
  Json tools;

  bool has_system() const { return !messages.empty() && is_role(messages[0], "system"); }
};

struct ConversationRenderer::Rendered {
  RenderedChat chat;
  bool folded_system = false;
};

namespace {

// The system message at the head of the first user turn; nothing without either.
template <class Conversation>
std::optional<Conversation> fold_system(const Conversation& from) {
  if (!from.has_system()) return std::nullopt;
  Conversation folded = from;
  const std::string system = content_of(folded.messages[0]);
  folded.messages.erase(0);
  folded.notes.erase(folded.notes.begin());
  for (Json& message : folded.messages) {
    if (!is_role(message, "user")) continue;
    message["content"] = joined_prompt(system, content_of(message), "\n\n");
    return folded;
  }
  return std::nullopt;
}

// Parts of the text, cut at the borders of what the assistant writes.
template <class Conversation>
PromptText cut_at_turns(const RenderedChat& chat, const Conversation& conversation,
                        const std::string& name) {
  std::vector<MessageNote> turns;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    if (is_role(conversation.messages[i], "assistant")) turns.push_back(conversation.notes[i]);
  }
  const bool all_alike = std::ranges::none_of(
      turns, [](const MessageNote& note) { return note.muted || note.in_prompt; });
  if (!all_alike && turns.size() != chat.assistant.size()) {
    throw FileError(name, "cannot tell the assistant's turns apart, of which some are not learned");
  }
  PromptText text{{}, false, false};
  std::size_t at = 0;
  const auto add = [&](std::size_t end, bool supervised, bool muted) {
    if (end > at) text.parts.push_back({chat.text.substr(at, end - at), supervised, muted});
    at = end;
  };
  for (std::size_t i = 0; i < chat.assistant.size(); ++i) {
    const MessageNote note = all_alike ? MessageNote{} : turns[i];
    add(chat.assistant[i].begin, false, false);
    add(chat.assistant[i].end, !note.muted && !note.in_prompt, note.muted);
  }
  add(chat.text.size(), false, false);
  return text;
}

}  // namespace

ConversationRenderer::ConversationRenderer(ChatTemplate plain,
                                           std::optional<ChatTemplate> with_tools,
                                           ConversationOptions options)
    : plain_(std::move(plain)), with_tools_(std::move(with_tools)), options_(std::move(options)) {}

bool ConversationRenderer::mentions(std::string_view word) const {
  return plain_.mentions(word) || (with_tools_ && with_tools_->mentions(word));
}

const ChatTemplate& ConversationRenderer::template_for(const Example& example) const {
  return with_tools_ && example.tools.is_array() ? *with_tools_ : plain_;
}

ConversationRenderer::Conversation ConversationRenderer::conversation_of(
    const Example& example) const {
  Conversation out;
  out.chat_template = &template_for(example);
  out.tools = example.tools;
  const auto add = [&](Json message, MessageNote note) {
    out.messages.push_back(std::move(message));
    out.notes.push_back(note);
  };
  const bool messages = example.kind == ExampleKind::kMessages;
  const bool has_system =
      messages && !example.messages.empty() && is_role(example.messages[0], "system");
  if (!example.system.empty()) {
    add({{"role", "system"}, {"content", example.system}}, {});
  } else if (options_.system && !has_system) {
    add({{"role", "system"}, {"content", *options_.system}}, {});
  }
  for (std::size_t i = 0; messages && i < example.messages.size(); ++i) {
    add(example.messages[i], example.note(i));
  }
  if (messages) return out;
  for (const Json& each : example.history) add(each, {});
  add({{"role", "user"}, {"content", joined_prompt(example.prompt, example.input, "\n\n")}}, {});
  add({{"role", "assistant"}, {"content", example.completion}}, {});
  return out;
}

// Templates pass unknown roles on or leave them out; neither is what the record means.
void ConversationRenderer::fit_roles(const Conversation& conversation) const {
  const ChatTemplate& chat = *conversation.chat_template;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const auto role = conversation.messages[i].find("role");
    if (role == conversation.messages[i].end() || !role->is_string()) continue;
    const std::string& name = role->get_ref<const std::string&>();
    const bool known = name == "system" || name == "user" || name == "assistant" || name == "tool";
    if (known || has_literal(chat.source(), name)) continue;
    throw FileError(chat.name(), "message " + std::to_string(i) + " has the role \"" + name +
                                     "\", which neither svtune nor the template knows");
  }
}

void ConversationRenderer::fit_calls(Conversation& conversation) const {
  const ChatTemplate& chat = *conversation.chat_template;
  const bool takes_calls = chat.mentions("tool_calls");
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    Json& message = conversation.messages[i];
    if (has_calls(message) && !takes_calls) {
      throw FileError(chat.name(), "message " + std::to_string(i) +
                                       " calls a tool, for which the template has no place");
    }
    if (!takes_calls || !conversation.notes[i].call_text) continue;
    if (auto calls = calls_of_text(content_of(message))) {
      message["content"] = "";
      message["tool_calls"] = std::move(*calls);
    }
  }
}

RenderedChat ConversationRenderer::render_as_is(const Conversation& conversation,
                                                bool answered) const {
  ChatOptions options;
  if (conversation.tools.is_array()) options.variables["tools"] = conversation.tools;
  options.add_generation_prompt = !answered;
  options.bos_token = options_.bos;
  options.eos_token = options_.eos;
  options.now = options_.now;
  const ChatTemplate& chat = *conversation.chat_template;
  return answered ? chat.render_with_spans(conversation.messages, options)
                  : chat.render(conversation.messages, options);
}

// Some templates want the arguments of calls as values, some as JSON text.
RenderedChat ConversationRenderer::render_calls(const Conversation& conversation,
                                                bool answered) const {
  const auto with = [&](Json messages) {
    Conversation other = conversation;
    other.messages = std::move(messages);
    return render_as_is(other, answered);
  };
  const bool calls = std::ranges::any_of(conversation.messages, has_calls);
  if (!calls) return render_as_is(conversation, answered);
  std::optional<RenderedChat> given;
  try {
    given = render_as_is(conversation, answered);
    if (!quoted_twice(conversation.messages, given->text)) return *given;
    return with(with_argument_values(conversation.messages));
  } catch (const FileError& refusal) {
    if (given) return *given;
    for (const Json& form : {with_argument_values(conversation.messages),
                             with_argument_texts(conversation.messages)}) {
      if (form == conversation.messages) continue;
      try {
        return with(form);
      } catch (const FileError&) {
        continue;
      }
    }
    throw;
  }
}

// Whether the message's text has any influence on what was rendered.
bool ConversationRenderer::reads_message(const Conversation& conversation, const RenderedChat& chat,
                                         std::size_t index, bool answered) const {
  const std::string content(trim(content_of(conversation.messages[index])));
  if (content.empty() || chat.text.find(content) != std::string::npos) return true;
  if (chat.text.find(quoted_inside(content)) != std::string::npos) return true;
  Conversation other = conversation;
  other.messages[index]["content"] = content + " " + content;
  try {
    return render_as_is(other, answered).text != chat.text;
  } catch (const FileError&) {
    return true;
  }
}

ConversationRenderer::Rendered ConversationRenderer::render(const Conversation& conversation,
                                                            bool answered) const {
  const bool may_fold = options_.system_place != SystemPlace::kOwn && conversation.has_system();
  if (!may_fold) return {render_calls(conversation, answered), false};
  const auto folded = fold_system(conversation);
  if (options_.system_place == SystemPlace::kUser && folded) {
    return {render_calls(*folded, answered), true};
  }
  std::optional<RenderedChat> own;
  try {
    own = render_calls(conversation, answered);
    if (!folded || reads_message(conversation, *own, 0, answered)) return {*own, false};
    return {render_calls(*folded, answered), true};
  } catch (const FileError&) {
    if (own) return {*own, false};
    if (!folded) throw;
    try {
      return {render_calls(*folded, answered), true};
    } catch (const FileError&) {
      // The refusal of what was given says more.
    }
    throw;
  }
}

PromptText ConversationRenderer::whole(const Example& example) const {
  Conversation conversation = conversation_of(example);
  fit_roles(conversation);
  fit_calls(conversation);
  const Rendered rendered = render(conversation, true);
  if (rendered.folded_system) conversation = *fold_system(conversation);
  PromptText text = cut_at_turns(rendered.chat, conversation, conversation.chat_template->name());
  text.folded_system = rendered.folded_system && options_.system_place == SystemPlace::kAuto;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const bool checked = !is_role(conversation.messages[i], "assistant");
    if (checked && !reads_message(conversation, rendered.chat, i, true)) ++text.lost_messages;
  }
  return text;
}

PromptText ConversationRenderer::prompt(const Example& example) const {
  Conversation conversation = conversation_of(example);
  while (!conversation.messages.empty() && is_role(conversation.messages.back(), "assistant")) {
    conversation.messages.erase(conversation.messages.size() - 1);
    conversation.notes.pop_back();
  }
  fit_roles(conversation);
  fit_calls(conversation);
  const Rendered rendered = render(conversation, false);
  PromptText text{{{rendered.chat.text, false}}, false, false};
  text.folded_system = rendered.folded_system && options_.system_place == SystemPlace::kAuto;
  return text;
}

}  // namespace svtune
