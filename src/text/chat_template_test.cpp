// Built-in templates against their documented layouts, and the assistant's spans.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace chat_template_test {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json conversation() {
  return Json::parse(R"([{"role": "user", "content": "Hi"},
                         {"role": "assistant", "content": "Hello."},
                         {"role": "user", "content": "Bye"},
                         {"role": "assistant", "content": "See you."}])");
}

ChatOptions options(bool prompt = false) {
  ChatOptions out;
  out.bos_token = "<s>";
  out.eos_token = "</s>";
  out.add_generation_prompt = prompt;
  return out;
}

std::vector<std::string> assistant_texts(const RenderedChat& chat) {
  std::vector<std::string> out;
  for (const TextSpan& span : chat.assistant) {
    out.push_back(chat.text.substr(span.begin, span.end - span.begin));
  }
  return out;
}

TEST(ChatTemplate, MentionsWholeNamesAndKeysWithASpace) {
  const auto chat = ChatTemplate::parse("{{ m.role }}{{ m['call id'] }}{{ user_name2 }}x", "test");
  for (const char* word : {"m", "role", "call", "user_name2", "x", "call id"}) {
    EXPECT_TRUE(chat.mentions(word)) << word;
  }
  for (const char* word : {"rol", "user", "name2", "call i", "content"}) {
    EXPECT_FALSE(chat.mentions(word)) << word;
  }
}

TEST(BuiltinChatTemplate, ChatMlLayout) {
  const RenderedChat chat = ChatTemplate::builtin("chatml").render(conversation(), options(true));
  EXPECT_EQ(chat.text,
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"
            "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\nSee you.<|im_end|>\n"
            "<|im_start|>assistant\n");
  EXPECT_THAT(assistant_texts(chat), ElementsAre("Hello.<|im_end|>\n", "See you.<|im_end|>\n"));
}

TEST(BuiltinChatTemplate, Llama3Layout) {
  const Json messages = Json::parse(R"([{"role": "system", "content": "S"},
                                        {"role": "user", "content": " Hi "}])");
  EXPECT_EQ(ChatTemplate::builtin("llama3").render(messages, options(true)).text,
            "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(BuiltinChatTemplate, Llama2Layout) {
  Json messages = conversation();
  messages.insert(messages.begin(), Json{{"role", "system"}, {"content", "S"}});
  const RenderedChat chat = ChatTemplate::builtin("llama2").render(messages, options());
  EXPECT_EQ(chat.text,
            "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nHi [/INST] Hello. </s>"
            "<s>[INST] Bye [/INST] See you. </s>");
  EXPECT_THAT(assistant_texts(chat), ElementsAre(" Hello. </s>", " See you. </s>"));
}

TEST(BuiltinChatTemplate, MistralLayout) {
  EXPECT_EQ(ChatTemplate::builtin("mistral").render(conversation(), options()).text,
            "<s>[INST] Hi [/INST] Hello.</s>[INST] Bye [/INST] See you.</s>");
}

TEST(BuiltinChatTemplate, GemmaLayout) {
  EXPECT_EQ(ChatTemplate::builtin("gemma").render(conversation(), options(true)).text,
            "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"
            "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\nSee you.<end_of_turn>\n"
            "<start_of_turn>model\n");
}

TEST(BuiltinChatTemplate, RefusesUnknownFamiliesAndRoles) {
  EXPECT_THROW(ChatTemplate::builtin("nope"), UsageError);
  const Json messages = Json::parse(R"([{"role": "assistant", "content": "Hi"}])");
  EXPECT_THROW(ChatTemplate::builtin("llama2").render(messages, options()), FileError);
}

TEST(BuiltinChatTemplate, TakesListsOfTextParts) {
  const Json messages = Json::parse(
      R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]}])");
  EXPECT_THAT(ChatTemplate::builtin("chatml").render(messages, options()).text, HasSubstr("\nab<"));
}

// The layout of the families without generation blocks; the oracle is the built-in ChatML, whose
// blocks mark the spans.
TEST(ChatSpans, FoundByPrefixesEqualMarkedOnes) {
  const ChatTemplate plain = ChatTemplate::parse(
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
      "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
      "plain");
  const ChatTemplate marked = ChatTemplate::builtin("chatml");
  for (const bool prompt : {false, true}) {
    const RenderedChat found = plain.render_with_spans(conversation(), options(prompt));
    const RenderedChat expected = marked.render(conversation(), options(prompt));
    EXPECT_EQ(found.text, expected.text);
    EXPECT_EQ(found.assistant, expected.assistant);
  }
}

// A reasoning template drops the thoughts of earlier turns, so that prefixes do not match.
TEST(ChatSpans, FoundWhenEarlierTurnsAreRenderedDifferently) {
  const ChatTemplate thinking = ChatTemplate::parse(
      "{% for m in messages %}{{ '<' + m.role + '>' }}"
      "{% if m.role == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}"
      "{{ m.content + '<end>' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
      "thinking");
  const RenderedChat chat = thinking.render_with_spans(conversation(), options());
  EXPECT_EQ(chat.text,
            "<user>Hi<end><assistant>Hello.<end><user>Bye<end><assistant><think></think>"
            "See you.<end>");
  EXPECT_THAT(assistant_texts(chat), ElementsAre("Hello.<end>", "<think></think>See you.<end>"));
}

TEST(ChatSpans, FoundBehindAnAnswerThatWouldBeWrittenOtherwiseAsTheLast) {
  const ChatTemplate thinking = ChatTemplate::parse(
      "{% for m in messages %}{{ '<' + m.role + '>' }}"
      "{% if m.role == 'assistant' and loop.last %}{{ '<think></think>' }}{% endif %}"
      "{{ m.content + '<end>' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
      "thinking");
  const Json row = Json::parse(R"([{"role": "user", "content": "q"},
                                   {"role": "assistant", "content": "one"},
                                   {"role": "assistant", "content": "two"}])");
  EXPECT_THAT(assistant_texts(thinking.render_with_spans(row, options())),
              ElementsAre("one<end>", "<think></think>two<end>"));
  // Turns that are written as one cannot be told apart.
  const ChatTemplate joined = ChatTemplate::parse(
      "{% for m in messages %}{% if loop.first or m.role != messages[loop.index0 - 1].role %}"
      "{{ '<' + m.role + '>' }}{% endif %}{% if m.role == 'assistant' and loop.last %}"
      "{{ '<think></think>' }}{% endif %}{{ m.content + '<end>' }}{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}",
      "joined");
  EXPECT_THROW(joined.render_with_spans(row, options()), FileError);
}

TEST(ChatSpans, RefusesTemplatesThatHideTheAssistant) {
  const ChatTemplate odd = ChatTemplate::parse(
      "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}", "odd");
  try {
    odd.render_with_spans(conversation(), options());
    FAIL() << "no error";
  } catch (const FileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot tell which text"));
    EXPECT_THAT(error.hint(), HasSubstr("generation"));
  }
}

TEST(ChatTemplate, AliasesReasoningAndTakesExtraVariables) {
  const ChatTemplate chat = ChatTemplate::parse(
      "{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}|{{ flag }}|{{ tools }}", "t");
  ChatOptions with_flag = options();
  with_flag.variables = {{"flag", false}};
  const Json messages = Json::parse(R"([{"role": "assistant", "content": "", "reasoning": "r"}])");
  EXPECT_EQ(chat.render(messages, with_flag).text, "r|r|False|None");
}

TEST(ChatTemplate, RefusesMessagesOfAnotherShape) {
  const ChatTemplate chat = ChatTemplate::builtin("chatml");
  EXPECT_THROW(chat.render(Json::parse("{}"), options()), FileError);
  EXPECT_THROW(chat.render(Json::parse("[1]"), options()), FileError);
}

// As Qwen3's: the last turn has a place for reasoning, and calls stand behind a line break only
// where there is text before them.
TEST(ChatSpans, CallsWithoutTextAreFoundWhereTheLastTurnIsWrittenOtherwise) {
  const auto chat = ChatTemplate::parse(
      "{% for m in messages %}{{ '[' + m.role + ']\\n' }}"
      "{% if loop.last and m.role == 'assistant' %}{{ '<think></think>\\n' }}{% endif %}"
      "{{ m.content }}{% for c in m.tool_calls or [] %}"
      "{% if m.content or not loop.first %}{{ '\\n' }}{% endif %}<{{ c.name }}>{% endfor %}"
      "{{ ';\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]\\n' }}{% endif %}",
      "test");
  Json messages = Json::parse(
      R"([{"role": "user", "content": "q"},
          {"role": "assistant", "content": "", "tool_calls": [{"name": "f"}, {"name": "g"}]},
          {"role": "tool", "content": "1"}, {"role": "assistant", "content": "done"}])");
  RenderedChat rendered = chat.render_with_spans(messages, options());
  EXPECT_EQ(rendered.text,
            "[user]\nq;\n[assistant]\n<f>\n<g>;\n[tool]\n1;\n"
            "[assistant]\n<think></think>\ndone;\n");
  EXPECT_THAT(assistant_texts(rendered), ElementsAre("<f>\n<g>;\n", "<think></think>\ndone;\n"));
  messages[1]["content"] = "text";
  EXPECT_THAT(assistant_texts(chat.render_with_spans(messages, options())),
              ElementsAre("text\n<f>\n<g>;\n", "<think></think>\ndone;\n"));
}

}  // namespace chat_template_test
}  // namespace svtune
