// Finds the assistant's part of a rendered conversation when the template does not mark it:
// renders prefixes of the conversation and variants with another answer, and compares.
#include <algorithm>
#include <optional>

#include "base/errors.h"
#include "base/text_util.h"
#include "jinja/error.h"
#include "text/chat_template.h"

namespace svtune {
namespace {

constexpr const char* kHint =
    "mark the assistant's text in the template with {% generation %} ... {% endgeneration %}";

bool is_assistant(const Json& message) {
  const auto role = message.find("role");
  return role != message.end() && role->is_string() &&
         (*role == "assistant" || *role == "model" || *role == "gpt");
}

Json first_messages(const Json& messages, std::size_t count) {
  return Json(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count));
}

std::size_t common_suffix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t size = 0;
  while (size < limit && a[a.size() - 1 - size] == b[b.size() - 1 - size]) ++size;
  return size;
}

// A content that differs from `text` in its first and its last byte, so that what stands around
// it in a rendering can be told apart.
std::string different_content(std::string_view text) {
  const std::string_view inner = trim(text);
  for (const char c : {'x', 'z'}) {
    if (inner.empty() || (inner.front() != c && inner.back() != c)) return std::string(3, c);
  }
  return "www";
}

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t limit = std::min(a.size(), b.size());
  std::size_t size = 0;
  while (size < limit && a[size] == b[size]) ++size;
  return size;
}

class SpanFinder {
 public:
  SpanFinder(const ChatTemplate& chat_template, const Json& messages, const ChatOptions& options,
             const std::string& full)
      : template_(chat_template), messages_(messages), options_(options), full_(full) {
    options_.add_generation_prompt = false;
  }

  TextSpan find(std::size_t index) {
    const std::optional<std::string> prompt = prompt_before(index);
    const std::string turn = template_.render(first_messages(messages_, index + 1), options_).text;
    std::size_t begin = prompt ? prompt->size() : content_begin(index);
    if (full_.starts_with(turn) && (!prompt || turn.starts_with(*prompt))) {
      return {begin, turn.size()};
    }
    if (prompt && !full_.starts_with(*prompt)) begin = begin_behind_header(index, *prompt);
    return {begin, turn_end(index, turn, begin)};
  }

 private:
  // What the assistant is asked to go on from. Many templates look at the first message and
  // refuse an empty conversation: nothing for an assistant who speaks first.
  std::optional<std::string> prompt_before(std::size_t index) const {
    ChatOptions options = options_;
    options.add_generation_prompt = true;
    try {
      return template_.render(first_messages(messages_, index), options).text;
    } catch (const jinja::TemplateError&) {
      if (index > 0) throw;
      return std::nullopt;
    }
  }

  [[noreturn]] void fail(std::size_t index) const {
    throw FileError(template_.name(),
                    "cannot tell which text of message " + std::to_string(index) +
                        " the assistant writes: earlier turns are rendered differently",
                    kHint);
  }

  // `messages` rendered with another content of message `index`.
  std::string render_changed(const Json& messages, std::size_t index) const {
    const auto content = messages[index].find("content");
    const auto text = content == messages[index].end() ? std::nullopt : message_text(*content);
    if (!text) fail(index);
    Json changed = messages;
    changed[index]["content"] = different_content(*text);
    return template_.render(changed, options_).text;
  }

  // The size of the text after the content of message `index` in a rendering of `messages`.
  std::size_t tail_size(const Json& messages, const std::string& rendered,
                        std::size_t index) const {
    return common_suffix(rendered, render_changed(messages, index));
  }

  // Where the content of message `index` starts in the whole text.
  std::size_t content_begin(std::size_t index) const {
    return common_prefix(full_, render_changed(messages_, index));
  }

  // Where the turn begins when what stands before it is written otherwise in the whole text, as
  // an answer that is no longer the last: behind the last header before the content.
  std::size_t begin_behind_header(std::size_t index, const std::string& prompt) const {
    const std::string before = template_.render(first_messages(messages_, index), options_).text;
    const std::size_t content = content_begin(index);
    if (!prompt.starts_with(before) || content == full_.size()) fail(index);
    const std::string header = prompt.substr(before.size());
    if (header.empty() || content < header.size()) fail(index);
    const std::size_t found = full_.rfind(header, content - header.size());
    if (found == std::string::npos) fail(index);
    return found + header.size();
  }

  // The closing tokens are those that follow the content when the turn is the last one.
  std::size_t turn_end(std::size_t index, const std::string& turn, std::size_t begin) const {
    const std::size_t closing_size = tail_size(first_messages(messages_, index + 1), turn, index);
    const std::string closing = turn.substr(turn.size() - closing_size);
    const std::size_t content_end = full_.size() - tail_size(messages_, full_, index);
    const std::size_t end = content_end + closing.size();
    // What is common behind an empty content may begin with the end of the prompt.
    const bool is_behind = content_end >= begin || (end >= begin && is_blank(index));
    if (!is_behind || full_.compare(content_end, closing.size(), closing) != 0) fail(index);
    return end;
  }

  bool is_blank(std::size_t index) const {
    const auto text = message_text(messages_[index].at("content"));
    return text && trim(*text).empty();
  }

  const ChatTemplate& template_;
  const Json& messages_;
  ChatOptions options_;
  const std::string& full_;
};

}  // namespace

RenderedChat ChatTemplate::render_with_spans(const Json& messages,
                                             const ChatOptions& options) const {
  jinja::Rendering rendering = run(messages, options);
  RenderedChat chat;
  chat.text = std::move(rendering.text);
  if (tree_->has_generation && rendering.generation_known) {
    chat.assistant = std::move(rendering.generation);
    return chat;
  }
  ChatOptions plain = options;
  plain.add_generation_prompt = false;
  const std::string full = options.add_generation_prompt ? render(messages, plain).text : chat.text;
  if (!chat.text.starts_with(full)) {
    throw FileError(name(), "the generation prompt changes the text before it", kHint);
  }
  SpanFinder finder(*this, messages, plain, full);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!is_assistant(messages[i])) continue;
    const TextSpan span = finder.find(i);
    if (!chat.assistant.empty() && span.begin < chat.assistant.back().end) {
      throw FileError(name(), "the turns of the assistant overlap in the text", kHint);
    }
    chat.assistant.push_back(span);
  }
  return chat;
}

}  // namespace svtune
