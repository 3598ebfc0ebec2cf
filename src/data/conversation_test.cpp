// What templates cannot take as it is given: refused, or fitted and counted. Expected texts are
// those that transformers' apply_chat_template gives for the conversation as fitted.
#include "data/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "data/data_test_util.h"
#include "data/encode.h"

namespace svtune {
namespace conversation_test {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTurns =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";
constexpr const char* kNoSystem =
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}";
constexpr const char* kDropsSystem =
    "{% for m in messages %}{% if m.role != 'system' %}[{{ m.role }}]{{ m.content }};{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
constexpr const char* kCalls =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}"
    "<{{ c.function.name }} {{ c.function.arguments | tojson }}>{% endfor %};{% endfor %}";
// As DeepSeek's: a call is known by its content, which is null.
constexpr const char* kNullCalls =
    "{% for m in messages %}{% if m.role == 'assistant' and m.content is none %}"
    "{% for c in m.tool_calls %}<{{ c.function.name }}>{% endfor %};{% else %}"
    "[{{ m.role }}]{{ m.content }};{% endif %}{% endfor %}";
constexpr const char* kCallTexts =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}"
    "{{ '<' + c.function.name + ' ' + c.function.arguments + '>' }}{% endfor %};{% endfor %}";

Example conversation(const std::string& messages) {
  Example example;
  example.kind = ExampleKind::kMessages;
  example.messages = Json::parse(messages);
  return example;
}

constexpr const char* kWithSystem =
    R"([{"role": "system", "content": "S"}, {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"}])";

PromptText whole(const Json& source, const Example& example, const PromptOptions& options = {}) {
  return PromptTemplate(options, test::byte_tokenizer(true, source)).whole(example);
}

std::string joined(const PromptText& text) {
  std::string all;
  for (const PromptPart& part : text.parts) all += part.text;
  return all;
}

// What is learned, turns separated by '|'.
std::string learned(const PromptText& text) {
  std::string all;
  for (const PromptPart& part : text.parts) {
    if (part.supervised) all += part.text + "|";
  }
  return all;
}

std::string refusal(const Json& source, const Example& example, const PromptOptions& options = {}) {
  try {
    whole(source, example, options);
  } catch (const FileError& error) {
    return error.what();
  }
  return "no refusal";
}

TEST(Conversation, SystemMessageIsFoldedWhereTheTemplateRefusesIt) {
  const Example example = conversation(kWithSystem);
  for (const char* source : {kNoSystem, kDropsSystem}) {
    const PromptText text = whole(source, example);
    EXPECT_EQ(joined(text), "[user]S\n\nu;[assistant]a;") << source;
    EXPECT_EQ(learned(text), "a;|");
    EXPECT_TRUE(text.folded_system);
    EXPECT_EQ(text.lost_messages, 0);
  }
  EXPECT_THAT(refusal(kNoSystem, example, {.system_place = SystemPlace::kOwn}),
              HasSubstr("no system role"));
  const PromptText own = whole(kTurns, example);
  EXPECT_EQ(joined(own), "[system]S;[user]u;[assistant]a;");
  EXPECT_FALSE(own.folded_system);
  EXPECT_EQ(joined(whole(kTurns, example, {.system_place = SystemPlace::kUser})),
            "[user]S\n\nu;[assistant]a;");
}

TEST(Conversation, SystemOptionIsFoldedWithANotice) {
  const Tokenizer tokenizer = test::byte_tokenizer(true, kNoSystem);
  const PromptTemplate prompt({.system = "S"}, tokenizer);
  Example question;
  question.prompt = "u";
  EXPECT_EQ(joined(prompt.prompt(question)), "[user]S\n\nu;[assistant]");
  ASSERT_EQ(prompt.notices().size(), 1u);
  EXPECT_THAT(prompt.notices()[0], HasSubstr("--system"));
  EXPECT_TRUE(
      PromptTemplate({.system = "S"}, test::byte_tokenizer(true, kTurns)).notices().empty());
}

TEST(Conversation, UnknownRolesAreRefusedUnlessTheTemplateNamesThem) {
  const Example example =
      conversation(R"([{"role": "user", "content": "u"}, {"role": "critic", "content": "c"}])");
  EXPECT_THAT(refusal(kTurns, example), HasSubstr("the role \"critic\""));
  const std::string knows =
      std::string(kTurns) + "{% if messages[0].role == 'critic' %}{% endif %}";
  EXPECT_EQ(joined(whole(knows, example)), "[user]u;[critic]c;");
}

TEST(Conversation, CallsWithoutAPlaceAreRefused) {
  const Example example = conversation(
      R"([{"role": "user", "content": "u"},
          {"role": "assistant", "content": "", "tool_calls":
             [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}])");
  EXPECT_THAT(refusal(kTurns, example), HasSubstr("message 1 calls a tool"));
  EXPECT_EQ(joined(whole(kCalls, example)), "[user]u;[assistant]<f {\"x\": 1}>;");
}

Example call_with_content(const std::string& content) {
  return conversation(R"([{"role": "user", "content": "u"}, {"role": "assistant", "content": )" +
                      content +
                      R"(, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}])");
}

TEST(Conversation, ContentOfACallStaysNullUnlessItIsWritten) {
  const PromptText text = whole(kNullCalls, call_with_content("null"));
  EXPECT_EQ(joined(text), "[user]u;<f>;");
  EXPECT_EQ(learned(text), "<f>;|");
  EXPECT_EQ(joined(whole(kCalls, call_with_content("null"))), "[user]u;[assistant]<f {}>;");
  const std::string adds =
      "{% for m in messages %}{{ '[' + m.role + ']' + m.content }}{% for c in m.tool_calls or [] %}"
      "<{{ c.function.name }}>{% endfor %};{% endfor %}";
  EXPECT_EQ(joined(whole(adds, call_with_content("null"))), "[user]u;[assistant]<f>;");
}

TEST(Conversation, CallsThatAreLeftOutAreRefused) {
  EXPECT_THAT(refusal(kNullCalls, call_with_content("\"Let me see.\"")),
              HasSubstr("message 1 calls a tool, and the template leaves the call out"));
  const std::string first_only =
      "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.tool_calls %}"
      "<{{ m.tool_calls[0].function.name }}>{% endif %};{% endfor %}";
  Example two = call_with_content("\"\"");
  EXPECT_EQ(joined(whole(first_only, two)), "[user]u;[assistant]<f>;");
  two.messages[1]["tool_calls"].push_back({{"function", {{"name", "f"}}}});
  EXPECT_THAT(refusal(first_only, two), HasSubstr("leaves the call out"));
}

TEST(Conversation, ArgumentsTakeTheFormThatTheTemplateExpects) {
  for (const char* arguments : {R"({"x": 1})", R"("{\"x\": 1}")"}) {
    const Example example = conversation(
        R"([{"role": "user", "content": "u"}, {"role": "assistant", "content": "", "tool_calls":
             [{"type": "function", "function": {"name": "f", "arguments": )" +
        std::string(arguments) + "}}]}]");
    EXPECT_EQ(joined(whole(kCalls, example)), "[user]u;[assistant]<f {\"x\": 1}>;") << arguments;
    EXPECT_EQ(joined(whole(kCallTexts, example)), "[user]u;[assistant]<f {\"x\": 1}>;")
        << arguments;
  }
}

TEST(Conversation, ShareGptCallsAreCallsWhereTheTemplateHasThem) {
  Example example = conversation(
      R"([{"role": "user", "content": "u"},
          {"role": "assistant", "content": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"},
          {"role": "tool", "content": "15"}])");
  example.notes = {{}, {.call_text = true}};
  EXPECT_EQ(joined(whole(kCalls, example)), "[user]u;[assistant]<f {\"x\": 1}>;[tool]15;");
  const PromptText text = whole(kTurns, example);
  EXPECT_EQ(learned(text), "{\"name\": \"f\", \"arguments\": {\"x\": 1}};|");
  example.messages[1]["content"] = R"({"name": "f", "parameters": {"x": 1}})";
  EXPECT_EQ(joined(whole(kCalls, example)), "[user]u;[assistant]<f {\"x\": 1}>;[tool]15;");
}

TEST(Conversation, MessagesThatTheTemplateLeavesOutAreCounted) {
  const std::string no_tools =
      "{% for m in messages %}{% if m.role != 'tool' %}[{{ m.role }}]{{ m.content }};{% endif %}"
      "{% endfor %}";
  const Example example = conversation(
      R"([{"role": "user", "content": "u"}, {"role": "tool", "content": "15"},
          {"role": "assistant", "content": "a"}])");
  EXPECT_EQ(whole(no_tools, example).lost_messages, 1);
  EXPECT_EQ(whole(kTurns, example).lost_messages, 0);
  // Text that the template writes in another form is not lost.
  const std::string quoted =
      "{% for m in messages %}[{{ m.role }}]{{ m.content | tojson }};{% endfor %}";
  EXPECT_EQ(whole(quoted, conversation(R"([{"role": "user", "content": "\"u\""}])")).lost_messages,
            0);
}

TEST(Conversation, AnswersThatTheTemplateCutsAreCounted) {
  const std::string cuts =
      "{% for m in messages %}[{{ m.role }}]{{ m.content.split('</think>')[-1] }};{% endfor %}";
  const Example example = conversation(
      R"([{"role": "user", "content": "u"},
          {"role": "assistant", "content": "<think>r</think>a"}])");
  EXPECT_EQ(whole(cuts, example).cut_answers, 1);
  EXPECT_EQ(whole(kTurns, example).cut_answers, 0);
  const std::string spaces =
      "{% for m in messages %}[{{ m.role }}]{{ m.content | replace('</think>', '</think>\n\n') }};"
      "{% endfor %}";
  EXPECT_EQ(whole(spaces, example).cut_answers, 0);
  Example muted = example;
  muted.notes = {{}, {.muted = true}};
  EXPECT_EQ(whole(cuts, muted).cut_answers, 0);
}

TEST(Conversation, ReasoningOfEarlierAnswersThatIsLeftOutIsCounted) {
  const std::string last_only =
      "{% for m in messages %}[{{ m.role }}]{% if loop.last and m.reasoning_content %}"
      "<{{ m.reasoning_content }}>{% endif %}{{ m.content }};{% endfor %}";
  const Example example = conversation(
      R"([{"role": "user", "content": "u"},
          {"role": "assistant", "content": "a", "reasoning": "r1"},
          {"role": "user", "content": "v"},
          {"role": "assistant", "content": "b", "reasoning": "r2"}])");
  EXPECT_EQ(joined(whole(last_only, example)), "[user]u;[assistant]a;[user]v;[assistant]<r2>b;");
  EXPECT_EQ(whole(last_only, example).cut_answers, 1);
  // Told as a field that is not used.
  EXPECT_EQ(whole(kTurns, example).cut_answers, 0);
}

TEST(Conversation, RolesOfSomeTemplatesHaveTheUsualNamesInOthers) {
  const Example example = conversation(
      R"([{"role": "developer", "content": "D"}, {"role": "user", "content": "u"},
          {"role": "ipython", "content": "3"}])");
  EXPECT_EQ(joined(whole(kTurns, example)), "[system]D;[user]u;[tool]3;");
  EXPECT_EQ(joined(whole(kTurns, example, {.system = "S"})), "[system]D;[user]u;[tool]3;");
  const std::string named = std::string(kTurns) + "{# 'developer' 'ipython' #}";
  EXPECT_EQ(joined(whole(named, example)), "[developer]D;[user]u;[ipython]3;");
}

TEST(Conversation, InputWithoutAnInstructionIsThePrompt) {
  Example example;
  example.input = "u";
  example.completion = "c";
  EXPECT_EQ(joined(whole(kTurns, example)), "[user]u;[assistant]c;");
  EXPECT_EQ(joined(whole(kTurns, example, {.style = PromptStyle::kRaw})), "uc");
}

TEST(Conversation, HistoryIsLearnedUnlessItsWeightsSayNo) {
  Example example;
  example.prompt = "u";
  example.completion = "c";
  example.history =
      Json::parse(R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "bad"}])");
  EXPECT_EQ(learned(whole(kTurns, example)), "bad;|c;|");
  example.history_notes = {{}, {.muted = true}};
  EXPECT_EQ(learned(whole(kTurns, example)), "c;|");
}

TEST(Conversation, AssistantMaySpeakFirst) {
  const std::string source =
      "{% if messages[0].role == 'system' %}[system]{{ messages[0].content }};{% else %}"
      "[system]default;{% endif %}{% for m in messages %}{% if m.role != 'system' %}"
      "[{{ m.role }}]{{ m.content }};{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}";
  const PromptText text =
      whole(source, conversation(R"([{"role": "assistant", "content": "Welcome!"},
                                     {"role": "user", "content": "hi"},
                                     {"role": "assistant", "content": "hello"}])"));
  EXPECT_EQ(joined(text), "[system]default;[assistant]Welcome!;[user]hi;[assistant]hello;");
  EXPECT_EQ(learned(text), "Welcome!;|hello;|");
}

TEST(Conversation, ToolUseTemplateServesExamplesWithTools) {
  const Json named = Json::array({{{"name", "tool_use"}, {"template", std::string("T") + kTurns}},
                                  {{"name", "default"}, {"template", kTurns}}});
  Example example = conversation(R"([{"role": "user", "content": "u"}])");
  EXPECT_EQ(joined(whole(named, example)), "[user]u;");
  example.tools = Json::parse(R"([{"name": "f"}])");
  EXPECT_EQ(joined(whole(named, example)), "T[user]u;");
  EXPECT_EQ(joined(whole(named, example, {.chat_template = "chatml"})),
            "<|im_start|>user\nu<|im_end|>\n");
}

TEST(Conversation, TurnsOfThePromptAreContext) {
  Example example = conversation(kWithSystem);
  example.messages.push_back({{"role", "user"}, {"content", "v"}});
  example.messages.push_back({{"role", "assistant"}, {"content", "b"}});
  example.notes = {{}, {}, {.in_prompt = true}};
  EXPECT_EQ(learned(whole(kTurns, example)), "b;|");
}

}  // namespace conversation_test
}  // namespace svtune
