// Examples to tokens: PiSSA's layout, chat spans, truncation.
#include "data/encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/oracle_test_util.h"
#include "data/data_test_util.h"

namespace svtune {
namespace {

using test::byte_tokenizer;
using test::bytes_of;
using test::kBos;
using test::kEos;

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

// Text of the supervised tokens, the others as '.'.
std::string learned(const TokenizedExample& example) {
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i) {
    const std::int32_t id = example.ids[i];
    out += !example.supervised[i] ? "." : id < 256 ? std::string(1, static_cast<char>(id)) : "#";
  }
  return out;
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

}  // namespace
}  // namespace svtune
