#include "adapter_files/side_file.h"

#include <algorithm>

#include "adapter_files/head_form.h"
#include "adapter_files/peft_directory.h"
#include "base/errors.h"
#include "base/files.h"
#include "io/base_tensors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

// 2: a method's own tensors alone, in fewer tensors than 1 has of them.
constexpr std::int64_t kOrdinary = 1, kCompact = 2;

std::map<std::string, std::string> read_hashes(const Json& json, const std::string& source) {
  const auto hashes = json.find("base_hashes");
  if (hashes == json.end() || !hashes->is_object()) {
    throw FileError(source, "\"base_hashes\" must be an object");
  }
  std::map<std::string, std::string> out;
  for (const auto& [layer, hash] : hashes->items()) {
    if (!hash.is_string()) throw FileError(source, "base_hashes." + layer + " must be text");
    out[layer] = hash.get<std::string>();
  }
  return out;
}

}  // namespace

std::optional<SideFile> read_side_file(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kSideFile;
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Json json = read_json_file(path);
  if (!json.is_object()) throw FileError(path.string(), "an object is expected");
  const Json format = json.value("format", Json());
  if (format != Json(kOrdinary) && format != Json(kCompact)) {
    throw FileError(path.string(), "\"format\" must be 1 or 2",
                    "A newer svtune may have written it.");
  }
  // Beside weights in a form of PEFT's own the file tells of the prompts or the head only.
  const bool tells = json.contains("prompt") || json.contains("head");
  if (tells && !json.contains("options")) return std::nullopt;
  try {
    return SideFile{format.get<std::int64_t>(), record_from_json(json, path.string()),
                    read_hashes(json, path.string()), side_file_words(json)};
  } catch (const UsageError& error) {
    throw FileError(path.string(), error.what(), error.hint());
  }
}

std::optional<std::int64_t> side_file_words(const Json& json) {
  const Json words = json.is_object() ? json.value("vocab_size", Json()) : Json();
  return words.is_number_integer() ? std::optional(words.get<std::int64_t>()) : std::nullopt;
}

void write_side_file(const Model& model, const AdapterSet& adapters, const AdapterRecord& record,
                     const std::filesystem::path& directory) {
  Json json = Json::object();
  json["format"] = method_traits(record.method).compact_files ? kCompact : kOrdinary;
  json["model_type"] = model.spec().family;
  json["vocab_size"] = model.spec().vocab_size;
  if (!model.net->is_language_model()) json["head"] = head_json(model);
  const Json how = record_to_json(record);
  for (const auto& [key, value] : how.items()) json[key] = value;
  json["base_hashes"] = Json::object();
  for (const Linear* layer : adapted_layers(adapters)) {
    json["base_hashes"][layer->name()] = base_hash(model, layer->name() + ".weight");
  }
  write_file_atomic(directory / kSideFile, dump_json(json, {.indent = 2, .final_newline = true}));
}

void write_head_alone(const Model& model, const std::filesystem::path& directory) {
  if (model.net->is_language_model()) return;
  Json json = Json::object();
  json["format"] = kOrdinary;
  json["head"] = head_json(model);
  write_file_atomic(directory / kSideFile, dump_json(json, {.indent = 2, .final_newline = true}));
}

void check_base(Model& model, const SideFile& side, const std::filesystem::path& directory) {
  const std::vector<std::string> existing = names_of(model.net->linears());
  std::vector<std::string> wrong;
  for (const auto& [layer, hash] : side.base_hashes) {
    if (std::ranges::count(existing, layer) == 0 || base_hash(model, layer + ".weight") != hash) {
      wrong.push_back(layer);
    }
  }
  if (wrong.empty()) return;
  throw ModelError(directory.string() + ": this " + method_name(side.record.method) +
                       " adapter belongs to another base model than " + model.path.string() + ": " +
                       std::to_string(wrong.size()) + " of " +
                       std::to_string(side.base_hashes.size()) + " adapted weights differ, first " +
                       wrong.front(),
                   "Give the base model it was trained on.");
}

}  // namespace svtune
