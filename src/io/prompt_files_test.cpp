#include "io/prompt_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/files.h"
#include "base/oracle_test_util.h"

namespace svtune {
namespace prompt_files_test {

using test::TempDirectory;

TrainedPrompt chat_prompt() { return {PromptStyle::kChat, "{{ new }}", "Be brief.", {7, ""}}; }

Json json_in(const std::filesystem::path& path) { return read_json_file(path); }

void write(const std::filesystem::path& path, const Json& json) {
  write_file_atomic(path, dump_json(json));
}

TEST(PromptFiles, OfAModelTellOtherProgramsTemplateAndEnd) {
  const TempDirectory model;
  write(model / "config.json", {{"model_type", "llama"}, {"eos_token_id", 2}});
  write(model / "generation_config.json", {{"eos_token_id", {2, 3}}, {"temperature", 0.6}});
  write(model / "tokenizer_config.json", {{"eos_token", "</s>"}, {"chat_template", "{{ old }}"}});
  write_prompt_files(model.path(), chat_prompt(), model.path());
  EXPECT_EQ(json_in(model / "config.json"),
            Json({{"model_type", "llama"}, {"eos_token_id", {2, 7}}}));
  EXPECT_EQ(json_in(model / "generation_config.json"),
            Json({{"eos_token_id", {2, 3, 7}}, {"temperature", 0.6}}));
  EXPECT_EQ(json_in(model / "tokenizer_config.json").at("chat_template"), "{{ new }}");
  EXPECT_EQ(read_file(model / "chat_template.jinja", 100), "{{ new }}");
  const auto read = read_trained_prompt(model.path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->text, "{{ new }}");
  EXPECT_EQ(read->system, "Be brief.");
  EXPECT_EQ(read->end.id, 7);
}

TEST(PromptFiles, LeaveTheModelsOwnTemplateAndEndAsTheyAre) {
  const TempDirectory model;
  write(model / "config.json", {{"eos_token_id", 7}});
  write(model / "generation_config.json", {{"eos_token_id", 7}});
  write(model / "tokenizer_config.json",
        {{"chat_template", Json::array({{{"name", "default"}, {"template", "{{ new }}"}},
                                        {{"name", "tool_use"}, {"template", "{{ tools }}"}}})}});
  std::vector<std::string> before;
  const char* names[] = {"config.json", "generation_config.json", "tokenizer_config.json"};
  for (const char* name : names) before.push_back(read_file(model / name, 1000));
  write_prompt_files(model.path(), chat_prompt(), model.path());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(read_file(model / names[i], 1000), before[i]);
  EXPECT_FALSE(std::filesystem::exists(model / "chat_template.jinja"));
}

TEST(PromptFiles, OfAnAdapterStartFromTheBasesSettings) {
  const TempDirectory base, adapter;
  write(base / "config.json", {{"bos_token_id", 1}, {"eos_token_id", 2}, {"hidden_size", 8}});
  write(adapter / "svtune.json", {{"format", 1}, {"options", {{"method", "lora"}}}});
  write_prompt_files(adapter.path(), chat_prompt(), base.path());
  EXPECT_EQ(json_in(adapter / "generation_config.json"),
            Json({{"bos_token_id", 1}, {"eos_token_id", {2, 7}}}));
  EXPECT_EQ(read_file(adapter / "chat_template.jinja", 100), "{{ new }}");
  EXPECT_FALSE(std::filesystem::exists(adapter / "config.json"));
  EXPECT_EQ(json_in(adapter / "svtune.json").at("options"), Json({{"method", "lora"}}));
  EXPECT_TRUE(read_trained_prompt(adapter.path()).has_value());
}

TEST(PromptFiles, OfOtherStylesAreSvtunesAlone) {
  const TempDirectory adapter;
  write_prompt_files(adapter.path(), {PromptStyle::kAlpaca, "", {}, {2, ""}}, adapter.path());
  EXPECT_FALSE(std::filesystem::exists(adapter / "generation_config.json"));
  EXPECT_FALSE(std::filesystem::exists(adapter / "chat_template.jinja"));
  EXPECT_EQ(read_trained_prompt(adapter.path())->style, PromptStyle::kAlpaca);
}

TEST(PromptFiles, AreNoneWithoutTheKeyAndNamedWhenMalformed) {
  const TempDirectory directory;
  EXPECT_FALSE(read_trained_prompt(directory.path()).has_value());
  EXPECT_FALSE(read_trained_prompt(directory / "none.gguf").has_value());
  write(directory / "svtune.json", {{"format", 1}});
  EXPECT_FALSE(read_trained_prompt(directory.path()).has_value());
  write(directory / "svtune.json", {{"format", 1}, {"prompt", 3}});
  EXPECT_THROW(read_trained_prompt(directory.path()), FileError);
}

}  // namespace prompt_files_test
}  // namespace svtune
