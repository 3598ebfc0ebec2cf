#include "io/load_tokenizer.h"

#include <stdlib.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/errors.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "formats/gguf_config.h"
#include "formats/gguf_tokenizer.h"
#include "io/model.h"
#include "models/families.h"

namespace svtune {
namespace {

bool is_gguf(const std::filesystem::path& model) { return model.extension() == ".gguf"; }

// A folder of its own under the system's temporary directory, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "svtune-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw FileError(name, "cannot create a temporary directory");
    }
    path_ = name;
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// One id, a list of them, or none. `source`: the file.
void add_ids(const Json& config, const std::string& source, std::vector<std::int32_t>& ids) {
  if (!config.is_object()) throw FileError(source, "not a JSON object");
  const auto found = config.find("eos_token_id");
  if (found == config.end() || found->is_null()) return;
  const Json listed = found->is_array() ? *found : Json::array({*found});
  for (const Json& each : listed) {
    if (each == -1) continue;  // how some files write that there is none
    const std::int64_t id = each.is_number_integer() ? each.get<std::int64_t>() : -1;
    if (id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
      throw FileError(source, "eos_token_id: got " + dump_json(each) + ", need token ids",
                      "Answers end at these tokens: correct the file, or take the key out.");
    }
    ids.push_back(static_cast<std::int32_t>(id));
  }
}

void refuse_images(const std::filesystem::path& model) {
  const std::filesystem::path config = model / "config.json";
  if (!std::filesystem::exists(config)) return;
  const Family* family = family_of(read_json_file(config));
  if (family == nullptr || !family->reads_images) return;
  throw FileError(config.string(),
                  "model_type \"" + family->model_type + "\" reads images: it has no tokenizer",
                  "Give a model that reads text.");
}

// Tokens that the families' chat templates put at the end of a turn.
constexpr const char* kTurnEnds[] = {"<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|eom_id|>"};

}  // namespace

Tokenizer load_tokenizer(const std::filesystem::path& model) {
  require_model_path(model);
  if (!is_gguf(model)) {
    refuse_images(model);
    return Tokenizer::load(model);
  }
  const ScratchDirectory scratch;
  write_tokenizer_files(GgufFile(model), scratch.path());
  return Tokenizer::load(scratch.path());
}

std::vector<std::int32_t> end_tokens(const std::filesystem::path& model,
                                     const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  if (is_gguf(model)) {
    add_ids(generation_config_from_gguf(GgufFile(model)), model.string(), ids);
  } else {
    for (const char* name : {"generation_config.json", "config.json"}) {
      const std::filesystem::path file = model / name;
      if (std::filesystem::exists(file)) add_ids(read_json_file(file), file.string(), ids);
    }
  }
  if (tokenizer.eos_id()) ids.push_back(*tokenizer.eos_id());
  for (const char* text : kTurnEnds) {
    const auto id = tokenizer.token_id(text);
    if (id && tokenizer.chat_template().find(text) != std::string::npos) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace svtune
