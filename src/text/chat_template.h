// Chat templates: how a conversation becomes the text a model was trained on. Renders the
// Jinja template that a model ships (formats: transformers' chat templates), or a built-in one.
#pragma once

#include <cstddef>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "jinja/interpreter.h"

namespace svtune {

struct ChatOptions {
  // End with the header of an assistant turn, ready for the model's answer.
  bool add_generation_prompt = false;
  std::optional<std::string> bos_token, eos_token;
  // Further variables of the template, e.g. {"tools": [...], "enable_thinking": false}; they
  // win over the ones above.
  Json variables = Json::object();
  // What strftime_now writes. A template that asks for the date is refused without it.
  std::optional<std::tm> now;
};

// What data sets call the reasoning before an answer; templates see it as "thinking" and as
// "reasoning_content".
inline constexpr const char* kReasoningNames[] = {"reasoning_content", "thinking", "reasoning"};

using TextSpan = jinja::Span;  // bytes [begin, end)

struct RenderedChat {
  std::string text;
  // What the assistant writes, in order, without overlaps.
  std::vector<TextSpan> assistant;
};

class ChatTemplate {
 public:
  // `name` (a path, usually) starts the message of every error. Throws jinja::TemplateError
  // naming the line and the construct that is malformed or outside the supported subset.
  static ChatTemplate parse(std::string source, std::string name);
  // One of builtin_names(); UsageError otherwise.
  static ChatTemplate builtin(std::string_view family);
  static std::span<const std::string_view> builtin_names();

  // `messages` is an array of objects {role, content, ...}. `assistant` is filled from the
  // template's generation blocks and empty when it has none. Throws FileError when the messages
  // have another shape, jinja::TemplateError when the template fails or refuses them.
  RenderedChat render(const Json& messages, const ChatOptions& options) const;

  // Like render(), but always gives the spans of the assistant's turns, closing tokens
  // included: without generation blocks they are found by rendering parts of the conversation.
  // Throws FileError when the template gives no way to tell them.
  RenderedChat render_with_spans(const Json& messages, const ChatOptions& options) const;

  const std::string& source() const { return source_; }
  // Whether the word stands in the source, not as part of a longer name.
  bool mentions(std::string_view word) const;
  // Whether the template mentions a field of messages under a name that it sees it by.
  bool reads_field(std::string_view field) const;
  const std::string& name() const { return tree_->name; }

 private:
  ChatTemplate() = default;
  jinja::Rendering run(const Json& messages, const ChatOptions& options) const;

  std::string source_;
  std::set<std::string, std::less<>> names_;  // longest runs of name characters in the source
  bool flatten_content_ = false;              // the template takes strings only
  std::shared_ptr<const jinja::TemplateTree> tree_;
};

// Text of a message's content: a string, or the joined texts of a list of
// {"type": "text", "text": ...} parts (input_text and output_text in OpenAI's later form). Nothing
// for other shapes.
std::optional<std::string> message_text(const Json& content);

}  // namespace svtune
