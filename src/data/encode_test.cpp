// Examples to tokens: PiSSA's layout, chat spans, truncation.
#include "data/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"
#include "data/data_test_util.h"

namespace svtune {
namespace encode_test {

using test::byte_tokenizer;
using test::bytes_of;
using test::kBos;
using test::kEos;
using test::learned;
using ::testing::HasSubstr;

Example pair(const std::string& prompt, const std::string& completion,
             const std::string& input = "") {
  Example example;
  example.prompt = prompt;
  example.input = input;
  example.completion = completion;
  return example;
}

ExampleEncoder encoder(const PromptOptions& prompt, EncodeOptions options = {.max_length = 4096},
                       const Tokenizer& tokenizer = byte_tokenizer()) {
  return ExampleEncoder(tokenizer, PromptTemplate(prompt, tokenizer), options);
}

TEST(ExampleEncoder, AlpacaIsPissasLayout) {
  const TokenizedExample example =
      encoder({.style = PromptStyle::kAlpaca}).encode(pair("Add 1 and 2.", "3"));
  const std::string prompt =
      "Below is an instruction that describes a task. Write a response that appropriately "
      "completes the request.\n\n### Instruction:\nAdd 1 and 2.\n\n### Response:";
  std::vector<std::int32_t> ids{kBos};
  for (const std::int32_t id : bytes_of(prompt + "3\n")) ids.push_back(id);
  ids.push_back(kEos);
  EXPECT_EQ(example.ids, ids);
  EXPECT_EQ(learned(example), std::string(prompt.size() + 1, '.') + "3\n#");
}

TEST(ExampleEncoder, AlpacaWithInput) {
  const auto ids =
      encoder({.style = PromptStyle::kAlpaca}).encode_prompt(pair("Sum up.", "", "Text."));
  const std::string expected =
      "Below is an instruction that describes a task, paired with an input that provides further "
      "context. Write a response that appropriately completes the request.\n\n### "
      "Instruction:\nSum up.\n\n### Input:\nText.\n\n### Response:";
  EXPECT_EQ(std::vector<std::int32_t>(ids.begin() + 1, ids.end()), bytes_of(expected));
}

TEST(ExampleEncoder, RawJoinsPromptAndCompletion) {
  const TokenizedExample example = encoder({.style = PromptStyle::kRaw}).encode(pair("ab", "cd"));
  EXPECT_EQ(learned(example), "...cd#");
  const TokenizedExample all =
      encoder({.style = PromptStyle::kRaw}, {.max_length = 99, .train_on_prompt = true})
          .encode(pair("ab", "cd"));
  EXPECT_EQ(learned(all), "#abcd#");
}

TEST(ExampleEncoder, TemplateFileIsFilledInOnePass) {
  const test::TempDirectory directory;
  write_file_atomic(directory / "t.txt", "Q: {instruction} ({input})\nA:");
  const ExampleEncoder filled = encoder({.file = directory / "t.txt"});
  const auto ids = filled.encode_prompt(pair("{input}", "", "{instruction}"));
  EXPECT_EQ(std::vector<std::int32_t>(ids.begin() + 1, ids.end()),
            bytes_of("Q: {input} ({instruction})\nA:"));
  write_file_atomic(directory / "t.txt", "\uFEFF{prompt}");
  const auto marked = encoder({.file = directory / "t.txt"}).encode_prompt(pair("ab", ""));
  EXPECT_EQ(std::vector<std::int32_t>(marked.begin() + 1, marked.end()), bytes_of("ab"));
  write_file_atomic(directory / "t.txt", "nothing");
  EXPECT_THROW(encoder({.file = directory / "t.txt"}), FileError);
}

TEST(ExampleEncoder, ChatLearnsTheAssistantsTurns) {
  Example example;
  example.kind = ExampleKind::kMessages;
  example.messages = Json::parse(R"([{"role": "user", "content": "a"},
                                     {"role": "assistant", "content": "b"},
                                     {"role": "user", "content": "c"},
                                     {"role": "assistant", "content": "d"}])");
  const TokenizedExample encoded =
      encoder({.style = PromptStyle::kChat, .chat_template = "chatml"}).encode(example);
  // <|im_start|> and <|im_end|> are one token each.
  const std::string user = ".user\nx.\n", header = ".assistant\n";
  EXPECT_EQ(learned(encoded), std::string(user.size(), '.') + std::string(header.size(), '.') +
                                  "b#\n" + std::string(user.size() + header.size(), '.') + "d#\n");
}

TEST(ExampleEncoder, ChatUsesTheModelsTemplateAndTools) {
  const std::string source =
      "{{ tools[0] if tools }}{% for m in messages %}[{{ m.role }}]{{ m.content }};{% endfor %}"
      "{% if add_generation_prompt %}[assistant]{% endif %}";
  const Tokenizer tokenizer = byte_tokenizer(true, source);
  Example example;
  example.kind = ExampleKind::kMessages;
  example.messages = Json::parse(R"([{"role": "user", "content": "a"},
                                     {"role": "assistant", "content": "b"}])");
  example.tools = Json::parse(R"(["T"])");
  const ExampleEncoder chat = encoder({.system = "S"}, {}, tokenizer);
  EXPECT_EQ(chat.encode(example).ids, bytes_of("T[system]S;[user]a;[assistant]b;"));
  EXPECT_EQ(chat.encode_prompt(example), bytes_of("T[system]S;[user]a;[assistant]"));
}

TEST(ExampleEncoder, TruncatesAtTheEnd) {
  const TokenizedExample example =
      encoder({.style = PromptStyle::kRaw}, {.max_length = 4}).encode(pair("ab", "cd"));
  EXPECT_EQ(learned(example), "...c");
  EXPECT_TRUE(example.truncated);
  EXPECT_EQ(example.num_supervised(), 1);
  const TokenizedExample nothing =
      encoder({.style = PromptStyle::kRaw}, {.max_length = 3}).encode(pair("ab", "cd"));
  EXPECT_EQ(nothing.num_supervised(), 0);
}

// One bit of the example is in the prompt whichever way it is written; hand-made expectation.
TEST(ExampleEncoder, ChatShowsSystemAndHistoryOfPairs) {
  Example example = pair("And 1?", "3", "now");
  example.system = "S";
  example.history = Json::parse(R"([{"role": "user", "content": "2+2?"},
                                    {"role": "assistant", "content": "4"}])");
  const ExampleEncoder chat = encoder({.system = "other", .chat_template = "chatml"});
  const TokenizedExample encoded = chat.encode(example);
  EXPECT_EQ(test::text_of(encoded),
            "#system\nS#\n#user\n2+2?#\n#assistant\n4#\n#user\nAnd 1?\n\nnow#\n#assistant\n3#\n");
  const std::string learned_text = learned(encoded);
  EXPECT_EQ(std::count(learned_text.begin(), learned_text.end(), '#'), 2);
  EXPECT_TRUE(learned_text.ends_with("3#\n"));
}

TEST(ExampleEncoder, HistoryCanBeMasked) {
  Example example;
  example.kind = ExampleKind::kMessages;
  example.messages = Json::parse(R"([{"role": "user", "content": "a"},
                                     {"role": "assistant", "content": "b"},
                                     {"role": "user", "content": "c"},
                                     {"role": "assistant", "content": "d"}])");
  const auto answers = [&](EncodeOptions options) {
    options.max_length = 99;
    std::string text = learned(encoder({.chat_template = "chatml"}, options).encode(example));
    std::erase(text, '.');
    return text;
  };
  EXPECT_EQ(answers({}), "b#\nd#\n");
  EXPECT_EQ(answers({.mask_history = true}), "d#\n");
  EXPECT_THROW(answers({.train_on_prompt = true, .mask_history = true}), UsageError);
}

TEST(ExampleEncoder, TurnsWithoutWeightAreNotLearned) {
  Example example;
  example.kind = ExampleKind::kMessages;
  example.messages = Json::parse(R"([{"role": "user", "content": "q"},
                                     {"role": "assistant", "content": "WRONG"},
                                     {"role": "user", "content": "p"},
                                     {"role": "assistant", "content": "right"}])");
  example.notes = {{}, {.muted = true}};
  for (const char* source : {"chatml", "mistral"}) {
    std::string text = learned(encoder({.chat_template = source}).encode(example));
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("WRONG")));
    EXPECT_THAT(text, ::testing::HasSubstr("right"));
  }
  // Nor where the prompt is learned as well.
  const std::string all =
      learned(encoder({.chat_template = "chatml"}, {.max_length = 99, .train_on_prompt = true})
                  .encode(example));
  EXPECT_THAT(all, ::testing::Not(::testing::HasSubstr("WRONG")));
  EXPECT_THAT(all, ::testing::HasSubstr("user\nq"));
}

// As preformatted data have it: "<s>[INST] ... [/INST] ...</s>".
TEST(ExampleEncoder, SpecialTokensOfTheDataAreNotWrittenTwice) {
  const ExampleEncoder raw = encoder({.style = PromptStyle::kRaw});
  Example text;
  text.kind = ExampleKind::kText;
  text.completion = "ab";
  const TokenizedExample plain = raw.encode(text);
  EXPECT_EQ(test::text_of(plain), "#ab#");
  for (const char* written : {"<s>ab", "ab</s>", "<s>ab</s>"}) {
    text.completion = written;
    EXPECT_EQ(raw.encode(text).ids, plain.ids) << written;
    EXPECT_EQ(raw.encode(text).num_supervised(), plain.num_supervised()) << written;
  }
  EXPECT_EQ(test::text_of(raw.encode(pair("<s>a", "b</s>"))), "#ab#");
  EXPECT_EQ(raw.encode_prompt(pair("<s>a", "")), raw.encode_prompt(pair("a", "")));
  // An answer that is empty still ends.
  EXPECT_EQ(learned(raw.encode(pair("a</s>", ""))), "...#");
}

TEST(ExampleEncoder, BlocksOfALongTextPredictEveryToken) {
  Example text;
  text.kind = ExampleKind::kText;
  for (int size = 0; size < 40; ++size) {
    text.completion = std::string("abcdefghijklmnopqrstuvwxyz0123456789ABCD").substr(0, size);
    const ExampleEncoder raw = encoder({.style = PromptStyle::kRaw}, {.max_length = 7});
    std::string predicted;
    for (const TokenizedExample& block : raw.encode_blocks(text)) {
      EXPECT_LE(block.ids.size(), 7u);
      EXPECT_FALSE(block.truncated);
      for (std::size_t i = 1; i < block.ids.size(); ++i) {
        EXPECT_TRUE(block.supervised[i]);
        predicted += block.ids[i] < 256 ? static_cast<char>(block.ids[i]) : '#';
      }
    }
    EXPECT_EQ(predicted, text.completion + "#");
  }
}

TEST(PromptTemplate, RefusesOptionsWithoutEffect) {
  const auto refused = [](const PromptOptions& options) {
    EXPECT_THROW(encoder(options), UsageError);
  };
  refused({.style = PromptStyle::kRaw, .file = "t.txt"});
  refused({.style = PromptStyle::kAlpaca, .system = "S"});
  refused({.system = "S"});  // no chat template: alpaca
  refused({.style = PromptStyle::kRaw, .chat_template = "chatml"});
  refused({.style = PromptStyle::kRaw, .system_place = SystemPlace::kUser});
  refused({.style = PromptStyle::kRaw, .date = "2026-01-02"});
  refused({.chat_template = "chatml", .date = "2026-01-02"});  // asks for no date
}

TEST(PromptTemplate, ShowsOneDateThroughout) {
  const Tokenizer tokenizer =
      byte_tokenizer(true,
                     "{{ strftime_now('%d %b %Y %H:%M:%S') }}{% for m in messages %}{{ m.content }}"
                     "{% endfor %}");
  const ExampleEncoder given = encoder({.date = "2026-07-04"}, {}, tokenizer);
  EXPECT_EQ(given.encode_prompt(pair("!", "")), bytes_of("04 Jul 2026 00:00:00!"));
  EXPECT_EQ(given.prompt().date(), "2026-07-04");
  const ExampleEncoder today = encoder({}, {}, tokenizer);
  ASSERT_TRUE(today.prompt().date().has_value());
  EXPECT_EQ(today.encode_prompt(pair("!", "")),
            encoder({.date = today.prompt().date()}, {}, tokenizer).encode_prompt(pair("!", "")));
  EXPECT_EQ(encoder({.chat_template = "chatml"}).prompt().date(), std::nullopt);
  for (const char* bad : {"2026-02-30", "2026-7-4", "today", "2026-13-01", "-026-01-01"}) {
    EXPECT_THROW(encoder({.date = bad}, {}, tokenizer), UsageError) << bad;
  }
}

TEST(PromptTemplate, TellsOfBracesThatNothingIsPutInPlaceOf) {
  const test::TempDirectory directory;
  const auto notices = [&](const std::string& text) {
    write_file_atomic(directory / "t.txt", text);
    const PromptTemplate prompt =
        encoder({.style = PromptStyle::kFile, .file = directory / "t.txt"}).prompt();
    return prompt.notices().empty() ? prompt.text() : prompt.notices()[0];
  };
  EXPECT_EQ(notices("\xEF\xBB\xBFQ: {prompt} {\"a\": 1} {}"), "Q: {prompt} {\"a\": 1} {}");
  EXPECT_THAT(notices("Q: {prompt} A: {output}{output}"), HasSubstr("t.txt: {output} stands"));
  EXPECT_THAT(notices("Q: {{prompt}}"), HasSubstr("--chat-template"));
}

TEST(PromptTemplate, NamesWhatIsMissing) {
  EXPECT_THROW(encoder({.style = PromptStyle::kChat}), UsageError);
  EXPECT_THROW(encoder({.style = PromptStyle::kFile}), UsageError);
  EXPECT_THROW(encoder({.style = PromptStyle::kChat, .chat_template = "nope"}), UsageError);
}

// Parts must join to the ids of the whole text: SentencePiece would otherwise put a space in
// front of every part. Oracle: the tokenizer on the whole text.
TEST(ExampleEncoder, ChatPartsJoinToTheWholeText) {
  int compared = 0;
  for (const auto& [folder, family] : {std::pair{"llama-2", "llama2"},
                                       {"mistral-7b-v0.1", "mistral"},
                                       {"qwen2", "chatml"},
                                       {"gpt2", "chatml"}}) {
    const std::filesystem::path files = test::test_data("tokenizers/" + std::string(folder));
    if (files.empty()) continue;
    const Tokenizer tokenizer = Tokenizer::load(files);
    Example example;
    example.kind = ExampleKind::kMessages;
    example.messages = Json::parse(
        R"([{"role": "user", "content": "What is 12 + 30?"},
            {"role": "assistant", "content": "It is 42.\nDone."},
            {"role": "user", "content": "  Thanks! "}, {"role": "assistant", "content": "Bye"}])");
    ChatOptions options;
    if (tokenizer.bos_id()) options.bos_token = tokenizer.id_to_token(*tokenizer.bos_id());
    if (tokenizer.eos_id()) options.eos_token = tokenizer.id_to_token(*tokenizer.eos_id());
    const std::string text = ChatTemplate::builtin(family).render(example.messages, options).text;
    const TokenizedExample encoded =
        encoder({.style = PromptStyle::kChat, .chat_template = family}, {}, tokenizer)
            .encode(example);
    EXPECT_EQ(encoded.ids, tokenizer.encode(text, false)) << folder;
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << test::kNoTestData << "tokenizers/llama-2";
}

}  // namespace encode_test
}  // namespace svtune
