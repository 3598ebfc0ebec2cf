// The prompt template of training in the files beside a model or an adapter: the key "prompt" of
// svtune.json for svtune, and for other programs what they read of it: chat_template.jinja, the
// template in tokenizer_config.json, and eos_token_id in generation_config.json and config.json.
#pragma once

#include <filesystem>
#include <optional>

#include "data/trained_prompt.h"

namespace svtune {

// nullopt when the directory has none, or is a .gguf file. Throws FileError when it is malformed.
std::optional<TrainedPrompt> read_trained_prompt(const std::filesystem::path& directory);

// Writes into `directory`, which exists. Files that it holds already are changed in place; the
// generation settings of `base`, the model that was trained, are the start where it has none.
void write_prompt_files(const std::filesystem::path& directory, const TrainedPrompt& prompt,
                        const std::filesystem::path& base);

}  // namespace svtune
