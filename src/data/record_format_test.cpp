// The data set layouts of formats.md, section 15.
#include "data/record_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace svtune {
namespace record_format_test {

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

TEST(RecordReader, FindsQuestionAndAnswerUnderOtherNames) {
  struct Case {
    const char* text;
    const char* input;
  };
  const Case cases[] = {{R"({"prompt": "p", "response": "c"})", ""},
                        {R"({"instruction": "p", "response": "c"})", ""},
                        {R"({"instruction": "p", "context": "i", "response": "c"})", "i"},
                        {R"({"problem": "p", "solution": "c", "level": "5"})", ""},
                        {R"({"Question": "p", "Answer": "c"})", ""},
                        {R"({"input": "p", "output": "c"})", ""}};
  for (const Case& each : cases) {
    const Example example = read(each.text);
    EXPECT_EQ(example.prompt, "p") << each.text;
    EXPECT_EQ(example.completion, "c") << each.text;
    EXPECT_EQ(example.input, each.input) << each.text;
  }
  RecordReader unclear;
  EXPECT_THAT(unclear.problem(Json::parse(R"({"problem": "p", "solution": "c", "answer": "d"})")),
              HasSubstr("solution, answer may all be the completion"));
}

TEST(RecordReader, ReadsWhatStandsBesidePairs) {
  RecordReader reader;
  const Json record = Json::parse(
      R"({"instruction": "p", "output": "c", "system": "s", "history": [["q", "a"]],
          "tools": "[{\"name\": \"f\"}]"})");
  ASSERT_EQ(reader.problem(record), "");
  EXPECT_FALSE(reader.surely_fits(dump_json(record)));
  const Example example = reader.example(record);
  EXPECT_EQ(example.system, "s");
  EXPECT_EQ(example.history[0]["content"], "q");
  EXPECT_EQ(example.history[1]["content"], "a");
  EXPECT_EQ(example.tools[0]["name"], "f");
  EXPECT_EQ(read(R"({"system_prompt": "", "question": "p", "response": "c"})").prompt, "p");
  RecordReader orca;
  const Json other = Json::parse(R"({"system_prompt": "s", "question": "p", "response": "c"})");
  ASSERT_EQ(orca.problem(other), "");
  EXPECT_EQ(orca.example(other).system, "s");
}

TEST(RecordReader, ReadsSystemAndToolsOfConversations) {
  RecordReader reader;
  const Json record = Json::parse(
      R"({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
          "system": "s", "tools": "[{\"name\": \"f\"}]"})");
  ASSERT_EQ(reader.problem(record), "");
  const Example example = reader.example(record);
  EXPECT_EQ(example.messages[0], Json::parse(R"({"role": "system", "content": "s"})"));
  EXPECT_EQ(example.messages.size(), 3u);
  EXPECT_EQ(example.tools[0]["name"], "f");
  EXPECT_THAT(reader.problem(Json::parse(
                  R"({"conversations": [{"from": "system", "value": "t"},
                                        {"from": "gpt", "value": "b"}], "system": "s"})")),
              HasSubstr("system messages that differ"));
  EXPECT_EQ(reader.problem(Json::parse(
                R"({"conversations": [{"from": "system", "value": "s"},
                                      {"from": "gpt", "value": "b"}], "system": "s"})")),
            "");
}

TEST(RecordReader, ReadsEitherSpellingOfTurnsInEitherColumn) {
  const Json expected = Json::parse(R"([{"role": "user", "content": "a"},
                                        {"role": "assistant", "content": "b"}])");
  for (const char* text :
       {R"({"conversations": [{"role": "user", "content": "a"},
                              {"role": "assistant", "content": "b"}]})",
        R"({"messages": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]})"}) {
    RecordReader reader;
    ASSERT_EQ(reader.problem(Json::parse(text)), "") << text;
    EXPECT_EQ(reader.example(Json::parse(text)).messages, expected) << text;
  }
}

TEST(RecordReader, ReadsPromptAndCompletionOfMessages) {
  RecordReader reader;
  const Json record = Json::parse(
      R"({"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                     {"role": "user", "content": "c"}],
          "completion": [{"role": "assistant", "content": "d"}]})");
  ASSERT_EQ(reader.problem(record), "");
  const Example example = reader.example(record);
  EXPECT_EQ(example.kind, ExampleKind::kMessages);
  ASSERT_EQ(example.messages.size(), 4u);
  EXPECT_EQ(example.messages[3]["content"], "d");
  EXPECT_TRUE(example.note(1).in_prompt);
  EXPECT_FALSE(example.note(3).in_prompt);
  const Json mixed =
      Json::parse(R"({"prompt": "a", "completion": [{"role": "assistant", "content": "d"}]})");
  ASSERT_EQ(reader.problem(mixed), "");
  EXPECT_EQ(reader.example(mixed).messages[0]["content"], "a");
}

TEST(RecordReader, CountsColumnsThatHoldSomething) {
  RecordReader reader;
  for (const char* text :
       {R"({"instruction": "p", "input": "", "output": "c", "type": "x"})",
        R"({"instruction": "p", "input": "i", "output": "c", "type": "x", "tags": []})",
        R"({"instruction": "p", "output": "c", "tags": ["t"], "system": "s"})"}) {
    if (!reader.surely_fits(text)) {
      ASSERT_EQ(reader.problem(Json::parse(text)), "");
    }
  }
  std::string counts;
  for (const ColumnCount& each : reader.column_counts()) {
    counts += each.name + "/" + each.part + "/" + std::to_string(each.rows) + " ";
  }
  EXPECT_EQ(counts,
            "instruction/prompt/3 input/input/1 output/completion/3 type//2 tags//1 "
            "system/system/1 ");
}

TEST(RecordReader, MappedColumnsMustExist) {
  RecordReader reader(RecordFormat::kAuto, {{"input", "contxt"}});
  const Json record = Json::parse(R"({"instruction": "p", "output": "c", "context": "i"})");
  ASSERT_EQ(reader.problem(record), "");
  try {
    reader.check_mapped_columns();
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("\"contxt\"; did you mean \"context\"?"));
  }
  RecordReader prompt(RecordFormat::kAuto, {{"prompt", "instrction"}});
  EXPECT_THAT(prompt.problem(record), HasSubstr("did you mean \"instruction\"?"));
  RecordReader wrong(RecordFormat::kText, {{"input", "context"}});
  EXPECT_THROW(wrong.problem(Json::parse(R"({"text": "t"})")), UsageError);
}

TEST(RecordReader, PromptsNeedNoAnswer) {
  RecordReader reader(RecordReaderOptions{.answers = false});
  const Json record = Json::parse(R"({"instruction": "p", "input": "i"})");
  ASSERT_EQ(reader.problem(record), "");
  EXPECT_EQ(reader.example(record).prompt, "p");
  EXPECT_EQ(reader.example(record).input, "i");
  RecordReader mapped(RecordReaderOptions{.columns = {{"prompt", "q"}}, .answers = false});
  const Json other = Json::parse(R"({"q": "p"})");
  ASSERT_EQ(mapped.problem(other), "");
  EXPECT_EQ(mapped.example(other).prompt, "p");
  mapped.check_mapped_columns();
}

TEST(RecordReader, AnswersThatAreNotWantedAreNotRead) {
  for (const char* answer : {"null", "4", "[1]", R"([{"x": 1}])", R"({"a": 1})"}) {
    RecordReader reader(RecordReaderOptions{.answers = false});
    Json record = {{"prompt", "p"}, {"completion", Json::parse(answer)}};
    ASSERT_EQ(reader.problem(record), "") << answer;
    EXPECT_EQ(reader.example(record).prompt, "p") << answer;
    EXPECT_EQ(reader.example(record).completion, "") << answer;
    record["prompt"] = Json::parse(R"([{"role": "user", "content": "p"}])");
    ASSERT_EQ(reader.problem(record), "") << answer;
    EXPECT_EQ(reader.example(record).messages, record["prompt"]) << answer;
  }
}

TEST(RecordReader, AnswersDoNotBeginWithThePromptAgain) {
  const std::string prompts[] = {R"("p")", R"([{"role": "user", "content": "p"}])"};
  const std::string whole[] = {
      R"([{"role": "user", "content": "p"}, {"role": "assistant", "content": "c"}])",
      R"([{"role": "system", "content": "s"}, {"role": "user", "content": "p"}])"};
  const auto problem_of = [](const std::string& prompt, const std::string& completion) {
    RecordReader reader;
    return reader.problem(
        Json::parse(R"({"prompt": )" + prompt + R"(, "completion": )" + completion + "}"));
  };
  for (const std::string& prompt : prompts) {
    EXPECT_THAT(problem_of(prompt, whole[0]), HasSubstr("--columns messages=completion"));
    EXPECT_EQ(problem_of(prompt, R"([{"role": "assistant", "content": "p"}])"), "");
  }
  EXPECT_THAT(problem_of(prompts[0], whole[1]), HasSubstr("begins with the prompt"));
}

TEST(RecordReader, HistoryStandsBehindTheSystemMessage) {
  const std::string prompt =
      R"({"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
          "completion": "c", "history": [["q", "a"]])";
  const Json record = Json::parse(prompt + "}");
  RecordReader reader;
  ASSERT_EQ(reader.problem(record), "");
  const Example example = reader.example(record);
  std::string roles;
  for (const Json& message : example.messages) roles += message.at("role").get<std::string>()[0];
  EXPECT_EQ(roles, "suaua");
  EXPECT_EQ(example.notes.size(), 5u);
  RecordReader other;
  EXPECT_THAT(other.problem(Json::parse(prompt + R"(, "system": "t"})")), HasSubstr("differ"));
}

TEST(RecordReader, TextOfAnEmptyListOfToolsHoldsNothing) {
  RecordReader reader;
  for (const char* tools : {R"("[]")", "[]", "null", R"("[{\"name\": \"f\"}]")"}) {
    ASSERT_EQ(reader.problem(Json::parse(R"({"prompt": "p", "completion": "c", "tools": )" +
                                         std::string(tools) + "}")),
              "");
  }
  EXPECT_EQ(reader.column_counts().back().name, "tools");
  EXPECT_EQ(reader.column_counts().back().rows, 1);
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
  EXPECT_THROW(RecordReader(RecordFormat::kAuto, {{"prompt", ""}}), UsageError);
}

TEST(RecordReader, SaysWhatIsWrong) {
  RecordReader unknown;
  EXPECT_THAT(unknown.problem(Json::parse(R"({"x": 1, "y": 2})")), HasSubstr("keys x, y"));
  EXPECT_THAT(unknown.problem(Json::parse(R"({"data": [{"prompt": "p"}]})")),
              HasSubstr("in the list \"data\"?"));
  RecordReader reader(RecordFormat::kAlpaca);
  EXPECT_THAT(reader.problem(Json::parse(R"({"instruction": "p"})")),
              HasSubstr("field \"output\" is missing"));
  EXPECT_THAT(reader.problem(Json::parse(R"({"instruction": 1, "output": ""})")),
              HasSubstr("field \"instruction\" must be a string"));
  RecordReader chat(RecordFormat::kMessages);
  EXPECT_THAT(chat.problem(Json::parse(R"({"messages": []})")), HasSubstr("empty list"));
  EXPECT_THAT(chat.problem(Json::parse(R"({"messages": "[]"})")), HasSubstr("is text"));
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
                         R"({"prompt": "p", "prompt": "q"})",
                         R"({"prompt": "p", "completion": "c", "system": 1})",
                         R"({"prompt": "p", "completion": "c", "history": ["x"]})",
                         R"({"prompt": "p", "completion": "c", "input": 1})",
                         R"({"prompt": "p", "completion": "c", "x": 1, "x": 2})",
                         R"(["prompt"])"};
  for (const char* text : texts) {
    RecordReader reader;
    ASSERT_EQ(reader.problem(Json::parse(R"({"prompt": "p", "completion": "c"})")), "");
    EXPECT_TRUE(reader.surely_fits(R"({"prompt": "p", "completion": "c"})"));
    EXPECT_FALSE(reader.surely_fits(text)) << text;
  }
  RecordReader undecided;
  EXPECT_FALSE(undecided.surely_fits(R"({"prompt": "p", "completion": "c"})"));
}

}  // namespace record_format_test
}  // namespace svtune
