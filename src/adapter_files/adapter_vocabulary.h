// Adapters of models whose vocabulary has grown or shrunk since their base was stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "adapter_files/adapter_config.h"
#include "adapter_files/side_file.h"
#include "adapter_files/tensor_filler.h"
#include "io/model.h"
#include "nn/adapter_set.h"

namespace svtune {

// The number of words that the adapter's model has, for LoadOptions::vocab_size: from svtune.json,
// else from an embedding in the adapter's file, else from trained rows that lie directly behind the
// base's words, `stored`. Nothing when none of these tells, or where svtune.json speaks of fewer
// words than the base has and the file does not hold them: it is of another base then. Files that
// cannot be read are the loader's to report.
std::optional<std::int64_t> adapter_vocab_size(const std::filesystem::path& adapter,
                                               const DeclaredWords& stored);

// The embedding and the head that an adapter's file stores and that are not the base's are modules
// to save, whatever its configuration says.
void add_stored_words(const Model& model, const std::filesystem::path& weights, PeftConfig& config);

// Of the embedding and the head a file may hold, beside what trains, the frozen values and second
// copies; these are no tensors without a place.
void skip_word_copies(const Model& model, TensorFiller& file);

// Throws FileError when the file leaves the value of an added word open.
void require_added_words(const Model& model, const AdapterSet& adapters,
                         const std::filesystem::path& weights);

// A warning where svtune.json says that the adapter's model had another number of words; else "".
std::string other_words_text(const Model& model, const SideFile& side,
                             const std::filesystem::path& adapter);

}  // namespace svtune
