#include "adapter_files/side_file.h"

#include <algorithm>

#include "adapter_files/head_form.h"
#include "adapter_files/peft_directory.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/hash.h"
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

// Of the same adapter in PEFT's form, which lies beside a method's own state.
std::optional<std::string> peft_hash(const std::filesystem::path& directory) {
  const std::filesystem::path weights = directory / kPeftWeightsFile;
  const bool beside =
      std::filesystem::exists(directory / kStateFile) && std::filesystem::exists(weights);
  return beside ? std::optional(hex64(hash64(MappedFile(weights).bytes()))) : std::nullopt;
}

std::optional<std::string> read_peft_hash(const Json& json, const std::string& source) {
  const Json hash = json.value("peft_hash", Json());
  if (hash.is_null()) return std::nullopt;
  if (!hash.is_string()) throw FileError(source, "\"peft_hash\" must be text");
  return hash.get<std::string>();
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
                    read_hashes(json, path.string()), side_file_words(json),
                    read_peft_hash(json, path.string())};
  } catch (const UsageError& error) {
    throw file_error_of(path.string(), error);
  }
}

std::optional<std::int64_t> side_file_words(const Json& json) {
  const Json words = json.is_object() ? json.value("vocab_size", Json()) : Json();
  const bool told = words.is_number_integer() && words >= 0;
  return told ? std::optional(words.get<std::int64_t>()) : std::nullopt;
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
  if (const auto hash = peft_hash(directory)) json["peft_hash"] = *hash;
  write_file_atomic(directory / kSideFile, dump_json(json, {.indent = 2, .final_newline = true}));
}

void check_peft_copy(const SideFile& side, const std::filesystem::path& directory) {
  const std::optional<std::string> hash = side.peft_hash ? peft_hash(directory) : std::nullopt;
  if (!hash || *hash == *side.peft_hash) return;
  throw FileError((directory / kPeftWeightsFile).string(),
                  std::string("is not what was written with ") + kStateFile +
                      " beside it: one of the two was changed since",
                  std::string("To use PEFT's files, take ") + kSideFile + " and " + kStateFile +
                      " away; to use svtune's, put the old file back or take this one away.");
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
