// A head of labels or of hidden words asked for on top of an encoder or an image model, and what
// config.json says of it then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/arch_spec.h"

namespace svtune {

struct NewHead {
  HeadTask task = HeadTask::kDocument;  // or kToken, or kMasked, which has no labels
  std::int64_t labels = 2;              // classes; 1: a number for each document
  std::vector<std::string> names = {};  // of the labels; empty: LABEL_0 and so on
  std::uint64_t seed = 0;               // of the weights that are made
};

// Whether config.json is that of an encoder or an image model without a head: BertModel, ViTModel.
bool is_bare(const Json& config);

// config.json of the model with the head: architectures, id2label, label2id, problem_type; of a
// part that was saved alone (CLIP's tower for images) that of the whole, which has the head. Throws
// FileError naming `source` when the family has no such head, ModelError for numbers of
// labels and names that do not fit.
Json with_head(Json config, const NewHead& head, const std::string& source);

}  // namespace svtune
