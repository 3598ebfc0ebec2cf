// The data set layouts of formats.md, section 15.
#include "data/record_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace svtune {
namespace {

using ::testing::HasSubstr;

Example read(RecordReader& reader, const std::string& text) {
  const Json record = Json::parse(text);
  EXPECT_EQ(reader.problem(record), "");
  EXPECT_TRUE(reader.surely_fits(text)) << text;
  return reader.example(record);
}

Example read(const std::string& text, RecordFormat format = RecordFormat::kAuto) {
  RecordReader reader(format);
  return read(reader, text);
}

TEST(RecordReader, ReadsPairsOfAllLayouts) {
  struct Case {
    const char* text;
    RecordFormat format;
    const char* input;
  };
  const Case cases[] = {
      {R"({"prompt": "p", "completion": "c"})", RecordFormat::kPromptCompletion, ""},
      {R"({"instruction": "p", "input": "i", "output": "c", "type": 3})", RecordFormat::kAlpaca,
       "i"},
      {R"({"instruction": "p", "output": "c"})", RecordFormat::kAlpaca, ""},
      {R"({"query": "p", "response": "c", "original_question": "q"})", RecordFormat::kQueryResponse,
       ""},
      {R"({"question": "p", "answer": "c"})", RecordFormat::kQuestionAnswer, ""}};
  for (const Case& each : cases) {
    RecordReader reader;
    const Example example = read(reader, each.text);
    EXPECT_EQ(reader.format(), each.format) << each.text;
    EXPECT_EQ(example.prompt, "p");
    EXPECT_EQ(example.input, each.input);
    EXPECT_EQ(example.completion, "c");
  }
}

TEST(RecordReader, SplitsMetaMathQueriesAtTheFirstNewline) {
  const Example two = read(R"({"query": "a\nb\nc", "response": "r"})", RecordFormat::kMetaMath);
  EXPECT_EQ(two.prompt, "a");
  EXPECT_EQ(two.input, "b\nc");
  EXPECT_EQ(read(R"({"query": "a", "response": "r"})", RecordFormat::kMetaMath).input, "");
}

TEST(RecordReader, ReadsConversations) {
  const Example messages = read(
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
  EXPECT_EQ(messages.kind, ExampleKind::kMessages);
  EXPECT_EQ(messages.messages[1]["content"], "b");
  const Example share_gpt = read(
      R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})");
  EXPECT_EQ(share_gpt.messages, messages.messages);
}

TEST(RecordReader, KeepsToolCallsAndJoinsTextParts) {
  RecordReader reader;
  const Json record = Json::parse(
      R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"},
                                                    {"type": "text", "text": "b"}]},
                       {"role": "assistant", "content": null, "tool_calls": [{"id": 1}]}],
          "tools": [{"name": "f"}]})");
  ASSERT_EQ(reader.problem(record), "");
  const Example example = reader.example(record);
  EXPECT_EQ(example.messages[0]["content"], "ab");
  EXPECT_EQ(example.messages[1]["tool_calls"][0]["id"], 1);
  EXPECT_EQ(example.tools[0]["name"], "f");
}

TEST(RecordReader, MapsColumns) {
  RecordReader reader(RecordFormat::kAuto, {{"prompt", "q"}, {"completion", "a"}});
  const Example example = read(reader, R"({"q": "p", "a": "c"})");
  EXPECT_EQ(example.prompt + example.completion, "pc");
  EXPECT_THROW(RecordReader(RecordFormat::kAuto, {{"promt", "q"}}), UsageError);
}

TEST(RecordReader, SaysWhatIsWrong) {
  RecordReader unknown;
  EXPECT_THAT(unknown.problem(Json::parse(R"({"x": 1, "y": 2})")), HasSubstr("keys x, y"));
  RecordReader reader(RecordFormat::kAlpaca);
  EXPECT_THAT(reader.problem(Json::parse(R"({"instruction": "p"})")),
              HasSubstr("field \"output\" is missing"));
  EXPECT_THAT(reader.problem(Json::parse(R"({"instruction": 1, "output": ""})")),
              HasSubstr("field \"instruction\" must be a string"));
  RecordReader chat(RecordFormat::kMessages);
  EXPECT_THAT(chat.problem(Json::parse(R"({"messages": []})")), HasSubstr("not a list"));
  EXPECT_THAT(chat.problem(Json::parse(R"({"messages": [{"role": "user"}]})")),
              HasSubstr("message 0"));
}

// The fast check must never accept what the full one refuses.
TEST(RecordReader, FastCheckAgreesWithTheFullOne) {
  const char* texts[] = {R"({"prompt": "p"})",
                         R"({"prompt": "p", "completion": 1})",
                         R"({"prompt": "p", "completion": "c", "completion": null})",
                         R"({"prompt": "p", "completion": "c")",
                         R"({"prompt": "p", "completion": "c"} x)",
                         "{\"prompt\": \"\xff\", \"completion\": \"c\"}",
                         R"(["prompt"])"};
  for (const char* text : texts) {
    RecordReader reader(RecordFormat::kPromptCompletion);
    EXPECT_FALSE(reader.surely_fits(text)) << text;
  }
  RecordReader undecided;
  EXPECT_FALSE(undecided.surely_fits(R"({"prompt": "p", "completion": "c"})"));
}

}  // namespace
}  // namespace svtune
