#include "data/trained_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "data/data_test_util.h"

namespace svtune {
namespace trained_prompt_test {

using test::byte_tokenizer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

constexpr std::int32_t kImEnd = 259;  // of the test tokenizer

PromptOptions chat(const std::string& source) {
  PromptOptions options;
  options.style = PromptStyle::kChat;
  options.text = source;
  return options;
}

TurnEnd end_under(const PromptOptions& options) {
  const Tokenizer tokenizer = byte_tokenizer();
  return turn_end(PromptTemplate(options, tokenizer), tokenizer);
}

// A template that closes the assistant's turn with `closing`.
std::string closing_with(const std::string& closing) {
  return "{% for m in messages %}{{ m.role }}: {{ m.content }}" + closing + "{% endfor %}";
}

TEST(TurnEnd, IsTheTokenThatTheTemplateWritesWhateverItsName) {
  PromptOptions named;
  named.chat_template = "chatml";
  EXPECT_THAT(end_under(named).id, Optional(kImEnd));
  named.chat_template = "llama2";
  EXPECT_THAT(end_under(named).id, Optional(test::kEos));
  EXPECT_THAT(end_under(chat(closing_with(" <|im_start|>\n"))).id, Optional(258));
  EXPECT_THAT(end_under(chat(closing_with("<|im_end|></s>"))).id, Optional(kImEnd));
  EXPECT_THAT(end_under(chat(closing_with("{{ eos_token }}"))).id, Optional(test::kEos));
  const std::string marked =
      "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}<|im_end|>"
      "{% endfor %}";
  EXPECT_THAT(end_under(chat(marked)).id, Optional(kImEnd));
}

TEST(TurnEnd, IsATextWhereTheVocabularyHasNoSuchToken) {
  const TurnEnd end = end_under(chat(closing_with("\n<|turn_stop|>\nmore")));
  EXPECT_EQ(end.id, std::nullopt);
  EXPECT_EQ(end.text, "<|turn_stop|>");
}

TEST(TurnEnd, IsUnknownWhereNothingIsWritten) {
  for (const std::string& source :
       {closing_with("\n\n"), closing_with(""), std::string("{{ raise_exception('no') }}")}) {
    const TurnEnd end = end_under(chat(source));
    EXPECT_EQ(end.id, std::nullopt) << source;
    EXPECT_EQ(end.text, "") << source;
  }
}

TEST(TurnEnd, IsTheTokenizersWithoutAChatTemplate) {
  PromptOptions raw;
  raw.style = PromptStyle::kRaw;
  EXPECT_THAT(end_under(raw).id, Optional(test::kEos));
}

TEST(TrainedPrompt, ComesBackFromItsJson) {
  PromptOptions options = chat(closing_with("<|im_end|>"));
  options.system = "Be brief.";
  const Tokenizer tokenizer = byte_tokenizer();
  const TrainedPrompt kept = trained_prompt(PromptTemplate(options, tokenizer), tokenizer);
  const TrainedPrompt read = prompt_from_json(prompt_to_json(kept), "file");
  EXPECT_EQ(read.style, PromptStyle::kChat);
  EXPECT_EQ(read.text, *options.text);
  EXPECT_THAT(read.system, Optional(std::string("Be brief.")));
  EXPECT_THAT(read.end.id, Optional(kImEnd));
}

TEST(TrainedPrompt, RefusesMalformedJsonByKey) {
  const std::pair<Json, const char*> cases[] = {
      {Json::array(), "an object"},
      {{{"template", "auto"}}, "template"},
      {{{"template", 3}}, "template"},
      {{{"template", "chat"}}, "text"},
      {{{"template", "raw"}, {"end_token_id", "x"}}, "end_token_id"}};
  for (const auto& [json, key] : cases) {
    try {
      prompt_from_json(json, "svtune.json");
      ADD_FAILURE() << json.dump();
    } catch (const FileError& error) {
      EXPECT_THAT(error.what(), HasSubstr(key));
      EXPECT_THAT(error.what(), HasSubstr("svtune.json"));
    }
  }
}

struct Chosen {
  std::string text;
  std::vector<std::string> warnings;
};

Chosen choose(const PromptOptions& given, const TrainedPrompt& trained,
              const std::string& own_template = "") {
  const Tokenizer tokenizer = byte_tokenizer(true, own_template);
  Chosen chosen;
  Example example;
  example.prompt = "Why?";
  const PromptTemplate prompt = choose_prompt(given, tokenizer, &trained, chosen.warnings);
  chosen.text = prompt.prompt(example).parts[0].text;
  return chosen;
}

TEST(ChoosePrompt, IsThatOfTrainingWhereNoneIsNamed) {
  const TrainedPrompt chat_like{PromptStyle::kChat, closing_with("!"), {}, {}};
  const TrainedPrompt raw{PromptStyle::kRaw, "", {}, {}};
  const TrainedPrompt file{PromptStyle::kFile, "Q: {prompt} A:", {}, {}};
  const std::string own = closing_with("?");
  EXPECT_EQ(choose({}, chat_like, own).text, "user: Why?!");
  EXPECT_EQ(choose({}, chat_like).text, "user: Why?!");
  EXPECT_EQ(choose({}, raw, own).text, "Why?");
  EXPECT_EQ(choose({}, file, own).text, "Q: Why? A:");
  PromptOptions any_chat;
  any_chat.style = PromptStyle::kChat;
  EXPECT_EQ(choose(any_chat, chat_like, own).text, "user: Why?!");
  for (const TrainedPrompt& each : {chat_like, raw, file}) {
    EXPECT_THAT(choose({}, each, own).warnings, IsEmpty());
  }
}

TEST(ChoosePrompt, KeepsTheSystemMessageUnlessAnotherIsGiven) {
  const TrainedPrompt trained{PromptStyle::kChat, closing_with(";"), "Be brief.", {}};
  EXPECT_EQ(choose({}, trained).text, "system: Be brief.;user: Why?;");
  PromptOptions other;
  other.system = "Sing.";
  EXPECT_EQ(choose(other, trained).text, "system: Sing.;user: Why?;");
}

TEST(ChoosePrompt, WarnsOfAnotherTemplateThanTrainings) {
  const TrainedPrompt alpaca{PromptStyle::kAlpaca, "", {}, {}};
  PromptOptions raw;
  raw.style = PromptStyle::kRaw;
  EXPECT_EQ(choose(raw, alpaca).text, "Why?");
  EXPECT_THAT(choose(raw, alpaca).warnings, ElementsAre(HasSubstr("--template alpaca")));
  PromptOptions same;
  same.style = PromptStyle::kAlpaca;
  EXPECT_THAT(choose(same, alpaca).warnings, IsEmpty());
  const TrainedPrompt chat_like{PromptStyle::kChat, closing_with("!"), {}, {}};
  PromptOptions named;
  named.chat_template = "chatml";
  EXPECT_THAT(choose(named, chat_like).warnings, ElementsAre(HasSubstr("another chat template")));
}

}  // namespace trained_prompt_test
}  // namespace svtune
