#include "io/prompt_files.h"

#include <algorithm>

#include "base/errors.h"
#include "base/files.h"
#include "formats/gguf.h"
#include "formats/gguf_config.h"
#include "text/tokenizer_config.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSideFile = "svtune.json";
constexpr const char* kGenerationConfig = "generation_config.json";
constexpr const char* kTokenizerConfig = "tokenizer_config.json";
constexpr std::int64_t kFormatVersion = 1;

Json object_in(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = read_json_file(path);
  if (!json.is_object()) throw FileError(path.string(), "an object is expected");
  return json;
}

void write_changed(const fs::path& path, const Json& json) {
  if (fs::exists(path) && read_json_file(path) == json) return;
  write_file_atomic(path, dump_json(json, {.indent = 2, .final_newline = true}));
}

// A number, or a list when there are several.
void add_end_token(Json& config, std::int32_t id) {
  constexpr const char* kKey = "eos_token_id";
  const Json old = config.value(kKey, Json());
  Json ids = old.is_array() ? old : old.is_null() ? Json::array() : Json::array({old});
  if (std::find(ids.begin(), ids.end(), Json(id)) == ids.end()) ids.push_back(id);
  config[kKey] = ids.size() == 1 ? ids[0] : ids;
}

Json generation_config(const fs::path& directory, const fs::path& base) {
  if (fs::exists(directory / kGenerationConfig)) return object_in(directory / kGenerationConfig);
  if (!fs::is_directory(base)) return generation_config_from_gguf(GgufFile(base));
  if (fs::exists(base / kGenerationConfig)) return object_in(base / kGenerationConfig);
  // transformers takes these from config.json when there is no such file.
  Json config = Json::object();
  const Json model = object_in(base / "config.json");
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    if (model.contains(key) && !model.at(key).is_null()) config[key] = model.at(key);
  }
  return config;
}

void write_end(const fs::path& directory, const TurnEnd& end, const fs::path& base) {
  Json generation = generation_config(directory, base);
  if (end.id) add_end_token(generation, *end.id);
  write_changed(directory / kGenerationConfig, generation);
  if (!end.id || !fs::exists(directory / "config.json")) return;
  Json config = object_in(directory / "config.json");
  add_end_token(config, *end.id);
  write_changed(directory / "config.json", config);
}

void write_chat_template(const fs::path& directory, const std::string& text) {
  if (read_tokenizer_config(directory).chat_template == text) return;
  write_file_atomic(directory / "chat_template.jinja", text);
  // Programs that do not know that file read the key instead.
  if (!fs::exists(directory / kTokenizerConfig)) return;
  Json config = object_in(directory / kTokenizerConfig);
  config["chat_template"] = text;
  write_changed(directory / kTokenizerConfig, config);
}

}  // namespace

std::optional<TrainedPrompt> read_trained_prompt(const fs::path& directory) {
  const fs::path path = directory / kSideFile;
  if (!fs::is_directory(directory) || !fs::exists(path)) return std::nullopt;
  const Json json = object_in(path);
  const auto prompt = json.find("prompt");
  if (prompt == json.end()) return std::nullopt;
  return prompt_from_json(*prompt, path.string());
}

void write_prompt_files(const fs::path& directory, const TrainedPrompt& prompt,
                        const fs::path& base) {
  Json side = object_in(directory / kSideFile);
  if (!side.contains("format")) side["format"] = kFormatVersion;
  side["prompt"] = prompt_to_json(prompt);
  write_changed(directory / kSideFile, side);
  if (prompt.style != PromptStyle::kChat) return;
  write_chat_template(directory, prompt.text);
  write_end(directory, prompt.end, base);
}

}  // namespace svtune
