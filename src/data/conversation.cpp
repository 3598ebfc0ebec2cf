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
  if (prompt.empty() || input.empty()) return prompt + input;
  return prompt + between + input;
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
  Conversation conversation;  // as the template took it
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

// A call whose content is null.
bool is_silent(const Json& message) {
  const auto content = message.find("content");
  return content != message.end() && content->is_null();
}

std::int64_t count_of(std::string_view text, std::string_view word) {
  std::int64_t count = 0;
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + word.size())) {
    ++count;
  }
  return count;
}

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out.push_back(c);
  }
  return out;
}

// Whether all of the text stands in what was rendered; templates trim and put breaks in between.
bool stands_in(const std::string& rendered, std::string_view text) {
  const std::string trimmed(trim(text));
  return rendered.find(trimmed) != rendered.npos ||
         rendered.find(quoted_inside(trimmed)) != rendered.npos ||
         without_space(rendered).find(without_space(trimmed)) != rendered.npos;
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

bool ConversationRenderer::reads_field(std::string_view field) const {
  return plain_.reads_field(field) || (with_tools_ && with_tools_->reads_field(field));
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
  if (!example.system.empty()) add({{"role", "system"}, {"content", example.system}}, {});
  if (example.kind == ExampleKind::kMessages) {
    for (std::size_t i = 0; i < example.messages.size(); ++i) {
      add(example.messages[i], example.note(i));
    }
  } else {
    for (std::size_t i = 0; i < example.history.size(); ++i) {
      add(example.history[i],
          i < example.history_notes.size() ? example.history_notes[i] : MessageNote{});
    }
    add({{"role", "user"}, {"content", joined_prompt(example.prompt, example.input, "\n\n")}}, {});
    add({{"role", "assistant"}, {"content", example.completion}}, {});
  }
  name_roles(out);
  if (options_.system && !out.has_system()) {
    const Json system = {{"role", "system"}, {"content", *options_.system}};
    out.messages.insert(out.messages.begin(), system);
    out.notes.insert(out.notes.begin(), MessageNote{});
  }
  return out;
}

// Two roles have a name of their own in some families' templates, the usual one in all others.
void ConversationRenderer::name_roles(Conversation& conversation) const {
  const std::string& source = conversation.chat_template->source();
  const auto rename = [&](Json& message, const char* own, const char* usual) {
    if (is_role(message, own) && !has_literal(source, own)) message["role"] = usual;
  };
  for (Json& message : conversation.messages) {
    rename(message, "developer", "system");
    rename(message, "ipython", "tool");
  }
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
      message["content"] = nullptr;
      message["tool_calls"] = std::move(*calls);
    }
  }
}

ChatOptions ConversationRenderer::chat_options(const Conversation& conversation,
                                               bool answered) const {
  ChatOptions options;
  if (conversation.tools.is_array()) options.variables["tools"] = conversation.tools;
  options.add_generation_prompt = !answered;
  options.bos_token = options_.bos;
  options.eos_token = options_.eos;
  options.now = options_.now;
  return options;
}

std::string ConversationRenderer::text_of(const Conversation& conversation, bool answered) const {
  const ChatOptions options = chat_options(conversation, answered);
  return conversation.chat_template->render(conversation.messages, options).text;
}

ConversationRenderer::Rendered ConversationRenderer::render_as_is(const Conversation& conversation,
                                                                  bool answered) const {
  const ChatOptions options = chat_options(conversation, answered);
  const ChatTemplate& chat = *conversation.chat_template;
  return {answered ? chat.render_with_spans(conversation.messages, options)
                   : chat.render(conversation.messages, options),
          conversation, false};
}

// Some templates want the arguments of calls as values, some as JSON text.
ConversationRenderer::Rendered ConversationRenderer::render_calls(const Conversation& conversation,
                                                                  bool answered) const {
  const auto with = [&](Json messages) {
    Conversation other = conversation;
    other.messages = std::move(messages);
    return render_as_is(other, answered);
  };
  const bool calls = std::ranges::any_of(conversation.messages, has_calls);
  if (!calls) return render_as_is(conversation, answered);
  std::optional<Rendered> given;
  try {
    given = render_as_is(conversation, answered);
    if (!quoted_twice(conversation.messages, given->chat.text)) return *given;
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

// Some templates know a call by its content, which is null; some join the content to other text,
// and refuse null there or write None.
ConversationRenderer::Rendered ConversationRenderer::render_contents(
    const Conversation& conversation, bool answered) const {
  if (std::ranges::none_of(conversation.messages, is_silent)) {
    return render_calls(conversation, answered);
  }
  Conversation with_text = conversation;
  for (Json& message : with_text.messages) {
    if (is_silent(message)) message["content"] = "";
  }
  std::optional<Rendered> given;
  try {
    given = render_calls(conversation, answered);
  } catch (const FileError&) {
    return render_calls(with_text, answered);
  }
  try {
    Rendered other = render_calls(with_text, answered);
    const bool writes_null = count_of(given->chat.text, "None") > count_of(other.chat.text, "None");
    return writes_null ? other : *given;
  } catch (const FileError&) {
    return *given;
  }
}

// Whether the message's text has any influence on what was rendered.
bool ConversationRenderer::reads_message(const Rendered& rendered, std::size_t index,
                                         bool answered) const {
  const Conversation& conversation = rendered.conversation;
  const std::string content(trim(content_of(conversation.messages[index])));
  if (content.empty() || rendered.chat.text.find(content) != std::string::npos) return true;
  if (rendered.chat.text.find(quoted_inside(content)) != std::string::npos) return true;
  Conversation other = conversation;
  other.messages[index]["content"] = content + " " + content;
  try {
    return text_of(other, answered) != rendered.chat.text;
  } catch (const FileError&) {
    return true;
  }
}

// Whether each of the message's calls has.
bool ConversationRenderer::reads_calls(const Rendered& rendered, std::size_t index,
                                       bool answered) const {
  const std::size_t count = rendered.conversation.messages[index].at("tool_calls").size();
  for (std::size_t call = 0; call < count; ++call) {
    Conversation other = rendered.conversation;
    if (!rename_call(other.messages[index]["tool_calls"][call])) continue;
    try {
      if (text_of(other, answered) == rendered.chat.text) return false;
    } catch (const FileError&) {
      continue;
    }
  }
  return true;
}

// The text of an answer, and the reasoning before it where the template has a place for that.
bool ConversationRenderer::writes_answer(const Rendered& rendered, std::size_t index) const {
  const Conversation& conversation = rendered.conversation;
  const Json& message = conversation.messages[index];
  if (!stands_in(rendered.chat.text, content_of(message))) return false;
  return std::ranges::all_of(kReasoningNames, [&](const char* name) {
    const auto reasoning = message.find(name);
    return reasoning == message.end() || !reasoning->is_string() ||
           !conversation.chat_template->reads_field(name) ||
           stands_in(rendered.chat.text, reasoning->get_ref<const std::string&>());
  });
}

ConversationRenderer::Rendered ConversationRenderer::render(const Conversation& conversation,
                                                            bool answered) const {
  const bool may_fold = options_.system_place != SystemPlace::kOwn && conversation.has_system();
  if (!may_fold) return render_contents(conversation, answered);
  const auto folded = fold_system(conversation);
  const auto render_folded = [&] {
    Rendered rendered = render_contents(*folded, answered);
    rendered.folded_system = true;
    return rendered;
  };
  if (options_.system_place == SystemPlace::kUser && folded) return render_folded();
  std::optional<Rendered> own;
  try {
    own = render_contents(conversation, answered);
    if (!folded || reads_message(*own, 0, answered)) return *own;
    return render_folded();
  } catch (const FileError&) {
    if (own) return *own;
    if (!folded) throw;
    try {
      return render_folded();
    } catch (const FileError&) {
      // The refusal of what was given says more.
    }
    throw;
  }
}

// Tells what the template leaves out; throws FileError where that is a call.
void ConversationRenderer::count_losses(const Rendered& rendered, bool answered,
                                        PromptText& text) const {
  const Conversation& conversation = rendered.conversation;
  text.folded_system = rendered.folded_system && options_.system_place == SystemPlace::kAuto;
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const Json& message = conversation.messages[i];
    if (has_calls(message) && !reads_calls(rendered, i, answered)) {
      throw FileError(
          conversation.chat_template->name(),
          "message " + std::to_string(i) + " calls a tool, and the template leaves the call out");
    }
    if (!is_role(message, "assistant")) {
      if (!reads_message(rendered, i, answered)) ++text.lost_messages;
      continue;
    }
    const MessageNote note = conversation.notes[i];
    const bool is_learned = answered && !note.muted && !note.in_prompt;
    if (is_learned && !writes_answer(rendered, i)) ++text.cut_answers;
  }
}

PromptText ConversationRenderer::whole(const Example& example) const {
  Conversation conversation = conversation_of(example);
  fit_roles(conversation);
  fit_calls(conversation);
  const Rendered rendered = render(conversation, true);
  PromptText text =
      cut_at_turns(rendered.chat, rendered.conversation, conversation.chat_template->name());
  count_losses(rendered, true, text);
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
  count_losses(rendered, false, text);
  return text;
}

}  // namespace svtune
