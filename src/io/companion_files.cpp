#include "io/companion_files.h"

#include <system_error>

#include "base/errors.h"
#include "formats/gguf_convert.h"

namespace svtune {
namespace {

// Files of a model directory that are not weights: as transformers and tokenizers name them.
constexpr const char* kCompanionFiles[] = {
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spm.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "svtune.json",
    "LICENSE",
};
constexpr const char* kCompanionFolders[] = {"additional_chat_templates"};

}  // namespace

void copy_companion_files(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (!std::filesystem::is_directory(from)) return write_companion_files(GgufFile(from), to);
  const auto copy = [&](const char* name, std::filesystem::copy_options options) {
    if (!std::filesystem::exists(from / name)) return;
    std::error_code error;
    std::filesystem::copy(from / name, to / name, options, error);
    if (error) throw FileError((to / name).string(), "cannot copy: " + error.message());
  };
  for (const char* name : kCompanionFiles) copy(name, std::filesystem::copy_options::none);
  for (const char* name : kCompanionFolders) copy(name, std::filesystem::copy_options::recursive);
}

}  // namespace svtune
