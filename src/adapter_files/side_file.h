// svtune.json beside an adapter's tensors: how it was made and which base it belongs to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "attach/adapter_record.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

inline constexpr char kSideFile[] = "svtune.json";
inline constexpr char kStateFile[] = "svtune_state.safetensors";

struct SideFile {
  std::int64_t format = 1;
  AdapterRecord record;
  std::map<std::string, std::string> base_hashes;  // adapted layer -> hash of its stored weight
  std::optional<std::int64_t> vocab_size = {};     // words of the model it was made on
  std::optional<std::string> peft_hash = {};       // of PEFT's weights beside the state file
};

// nullopt when the directory has none, or one that tells of the prompts or the head only. Throws
// FileError when it is malformed or newer.
std::optional<SideFile> read_side_file(const std::filesystem::path& directory);

// "vocab_size" of the file's content; nothing where it does not say, or no number of words.
std::optional<std::int64_t> side_file_words(const Json& json);

void write_side_file(const Model& model, const AdapterSet& adapters, const AdapterRecord& record,
                     const std::filesystem::path& directory);

// What PEFT's own form has no place for: the head of labels or of hidden words. Nothing for a
// language model.
void write_head_alone(const Model& model, const std::filesystem::path& directory);

// Throws FileError when PEFT's weights beside the state file are others than were written with it:
// trained on by PEFT, say, they are not what the state file holds.
void check_peft_copy(const SideFile& side, const std::filesystem::path& directory);

// Throws ModelError naming the layers whose stored base weight has another hash, or that the
// model does not have.
void check_base(Model& model, const SideFile& side, const std::filesystem::path& directory);

}  // namespace svtune
