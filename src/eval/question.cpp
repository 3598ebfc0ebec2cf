#include "eval/question.h"

namespace svtune {
namespace {

std::string content_of(const Json& message) {
  const auto content = message.find("content");
  return content != message.end() && content->is_string() ? content->get<std::string>() : "";
}

}  // namespace

std::optional<Question> question_of(const Example& example) {
  if (example.kind == ExampleKind::kText) return std::nullopt;
  if (example.kind == ExampleKind::kPair) {
    const std::string more = example.input.empty() ? "" : "\n" + example.input;
    return Question{example.prompt + more, example.completion};
  }
  const Json& messages = example.messages;
  std::size_t answer = messages.size();
  while (answer > 0 && messages[answer - 1].at("role") == "assistant") --answer;
  Question question;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    std::string& into = i < answer ? question.prompt : question.reference;
    into += (into.empty() ? "" : "\n") + content_of(messages[i]);
  }
  return question;
}

}  // namespace svtune
