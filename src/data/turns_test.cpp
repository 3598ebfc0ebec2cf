// Turns of all spellings become the same messages.
#include "data/turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace svtune {
namespace turns_test {

using ::testing::HasSubstr;

Example read(const std::string& turns, bool share_gpt = false) {
  const Json json = Json::parse(turns);
  EXPECT_EQ(turns_problem(json), "") << turns;
  Example example;
  append_turns(json, share_gpt, example);
  return example;
}

std::string problem(const std::string& turns) { return turns_problem(Json::parse(turns)); }

TEST(Turns, RolesHaveManyNames) {
  for (const char* name : {"user", "human", "User", "HUMAN"}) {
    EXPECT_EQ(canonical_role(name), "user") << name;
  }
  for (const char* name : {"assistant", "gpt", "chatgpt", "ChatGPT", "bing", "bard", "model",
                           "function_call", "Assistant"}) {
    EXPECT_EQ(canonical_role(name), "assistant") << name;
  }
  for (const char* name : {"tool", "observation", "Observation", "function"}) {
    EXPECT_EQ(canonical_role(name), "tool") << name;
  }
  EXPECT_EQ(canonical_role("System"), "system");
  EXPECT_EQ(canonical_role("Critic"), "Critic");
}

TEST(Turns, BothSpellingsGiveTheSameMessages) {
  const Json expected = Json::parse(R"([{"role": "user", "content": "a"},
                                        {"role": "assistant", "content": "b"}])");
  EXPECT_EQ(
      read(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])").messages,
      expected);
  EXPECT_EQ(read(R"([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}])").messages,
            expected);
  EXPECT_EQ(
      read(R"([{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}])", true).messages,
      expected);
}

TEST(Turns, AWeightOfOneIsInVainOnTurnsOfOthers) {
  const Json messages = parse_json(R"([
      {"role": "user", "content": "a", "weight": 1}, {"role": "user", "content": "a"},
      {"role": "system", "content": "a", "train": true}, {"role": "tool", "content": "a", "loss": 0},
      {"role": "user", "content": "a", "weight": null},
      {"role": "assistant", "content": "b", "weight": 1}])",
                                   "messages");
  EXPECT_EQ(asking_in_vain(messages), 2);
  EXPECT_EQ(asking_in_vain(nullptr), 0);
}

TEST(Turns, AWeightOfZeroMutesATurn) {
  for (const char* key :
       {R"("weight": 0)", R"("loss_weight": 0.0)", R"("train": false)", R"("loss": false)"}) {
    const Example example = read(R"([{"role": "assistant", "content": "a", )" + std::string(key) +
                                 R"(}, {"role": "assistant", "content": "b"}])");
    EXPECT_TRUE(example.note(0).muted) << key;
    EXPECT_FALSE(example.note(1).muted) << key;
  }
  for (const char* key :
       {R"("weight": 1)", R"("loss_weight": 1.0)", R"("train": true)", R"("weight": null)"}) {
    EXPECT_FALSE(
        read(R"([{"role": "assistant", "content": "a", )" + std::string(key) + "}]").note(0).muted)
        << key;
  }
  EXPECT_THAT(problem(R"([{"role": "assistant", "content": "a", "weight": 0.5}])"),
              HasSubstr("weight 0.5"));
  EXPECT_THAT(problem(R"([{"role": "assistant", "content": "a", "train": "no"}])"),
              HasSubstr("train \"no\""));
  EXPECT_THAT(problem(R"([{"role": "assistant", "content": "a", "weight": 1, "train": false}])"),
              HasSubstr("learned by its weight"));
}

TEST(Turns, FunctionCallsOfShareGptAreMarked) {
  const Example example = read(
      R"([{"from": "function_call", "value": "{}"}, {"from": "observation", "value": "1"}])", true);
  EXPECT_EQ(example.messages[0]["role"], "assistant");
  EXPECT_TRUE(example.note(0).call_text);
  EXPECT_EQ(example.messages[1]["role"], "tool");
  EXPECT_FALSE(example.note(1).call_text);
  EXPECT_TRUE(read(R"([{"role": "tool_call", "content": "{}"}])").note(0).call_text);
}

TEST(Turns, CallsComeAsListTextOrOldFunctionCall) {
  const Json calls = Json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  for (const char* key :
       {R"("tool_calls": [{"type": "function", "function": {"name": "f"}}])",
        R"("tool_calls": "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]")",
        R"("tool_calls": ["{\"type\": \"function\", \"function\": {\"name\": \"f\"}}"])",
        R"("function_call": {"name": "f"})"}) {
    const Example example =
        read(R"([{"role": "assistant", "content": null, )" + std::string(key) + "}]");
    EXPECT_EQ(example.messages[0]["tool_calls"], calls) << key;
    EXPECT_TRUE(example.messages[0].at("content").is_null());
    EXPECT_FALSE(example.messages[0].contains("function_call"));
  }
  EXPECT_THAT(problem(R"([{"role": "assistant", "content": null, "tool_calls": "[x"}])"),
              HasSubstr("tool_calls"));
  EXPECT_THAT(problem(R"([{"role": "assistant", "content": null, "tool_calls": []}])"),
              HasSubstr("message 0"));
}

TEST(Turns, FieldsWithoutAValueAreAbsent) {
  const Example example = read(
      R"([{"role": "user", "content": "q", "name": null, "tool_calls": null, "id": 0},
          {"role": "assistant", "content": "a", "tool_calls": [], "function_call": null}])");
  EXPECT_EQ(example.messages, Json::parse(R"([{"role": "user", "content": "q", "id": 0},
                                              {"role": "assistant", "content": "a"}])"));
}

TEST(Turns, CallsAreObjects) {
  for (const char* calls : {R"(["f"])", "[null]", R"("[1]")", R"({"name": "f"})"}) {
    EXPECT_THAT(problem(R"([{"role": "assistant", "content": "", "tool_calls": )" +
                        std::string(calls) + "}]"),
                HasSubstr("no list of objects"))
        << calls;
  }
}

TEST(Turns, OnlyTextPartsAreText) {
  EXPECT_EQ(read(R"([{"role": "user", "content": [{"type": "input_text", "text": "a"},
                                                  {"type": "text", "text": "b", "image": null}]},
                     {"role": "assistant", "content": [{"type": "output_text", "text": "c"}]}])")
                .messages[0]["content"],
            "ab");
  for (const char* part : {R"({"type": "image_url", "text": "a", "image_url": "x"})",
                           R"({"type": "image", "text": null})", R"("a")"}) {
    EXPECT_THAT(problem(R"([{"role": "user", "content": [)" + std::string(part) + "]}]"),
                HasSubstr("neither text nor a list of text parts"))
        << part;
  }
}

TEST(Turns, HistoryIsPairsOrTurns) {
  const Json expected = Json::parse(R"([{"role": "user", "content": "q"},
                                        {"role": "assistant", "content": "a"}])");
  for (const char* text : {R"([["q", "a"]])", R"([{"from": "human", "value": "q"},
                                                   {"from": "gpt", "value": "a"}])"}) {
    ASSERT_EQ(history_problem(Json::parse(text)), "") << text;
    EXPECT_EQ(history_turns(Json::parse(text)).messages, expected) << text;
  }
  for (const char* text : {"null", "[]", "\"\""}) {
    EXPECT_EQ(history_problem(Json::parse(text)), "") << text;
    EXPECT_TRUE(history_turns(Json::parse(text)).messages.is_null()) << text;
  }
  for (const char* text : {R"(["q", "a"])", R"([["q"]])", R"("q")", R"([["q", 1]])"}) {
    EXPECT_THAT(history_problem(Json::parse(text)), HasSubstr("history")) << text;
  }
}

TEST(Turns, HistoryKeepsItsWeights) {
  const HistoryTurns history = history_turns(Json::parse(
      R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0}])"));
  ASSERT_EQ(history.notes.size(), 2u);
  EXPECT_FALSE(history.notes[0].muted);
  EXPECT_TRUE(history.notes[1].muted);
  EXPECT_EQ(history_turns(Json::parse(R"([["q", "a"]])")).notes.size(), 2u);
}

TEST(Turns, ToolsAreAListOrItsText) {
  const Json expected = Json::parse(R"([{"name": "f"}])");
  for (const char* text :
       {R"([{"name": "f"}])", R"("[{\"name\": \"f\"}]")", R"(["{\"name\": \"f\"}"])"}) {
    ASSERT_EQ(tools_problem(Json::parse(text)), "");
    EXPECT_EQ(tools_list(Json::parse(text)), expected);
  }
  for (const char* text : {"null", "\"\"", "\"[]\"", "[]", "{}"}) {
    EXPECT_EQ(tools_problem(Json::parse(text)), "") << text;
    EXPECT_TRUE(tools_list(Json::parse(text)).is_null()) << text;
  }
  for (const char* text :
       {"\"f\"", R"("{\"name\": \"f\"}")", "3", R"({"name": "f"})", R"(["f"])", "[null]", "[[]]"}) {
    EXPECT_THAT(tools_problem(Json::parse(text)), HasSubstr("tools")) << text;
  }
}

}  // namespace turns_test
}  // namespace svtune
