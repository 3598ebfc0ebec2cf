#include "io/new_head.h"

#include <utility>

#include "base/errors.h"
#include "libtorch/prelude.h"
#include "models/families.h"

namespace svtune {

namespace {

// A part that was saved alone, as its whole describes it.
Json as_whole(const Json& part, const Family& family) {
  Json whole = {{"model_type", family.whole}, {family.whole_key, part}};
  for (const char* key : {"quantization_config", "dtype", "torch_dtype"}) {
    if (part.contains(key)) whole[key] = part.at(key);
  }
  return whole;
}

// Words are those of the embedding.
Json with_masked_head(Json config, const Family& family, const std::string& source) {
  if (family.reads_images) {
    throw FileError(source, family.model_type + " reads images and knows no words");
  }
  config["architectures"] = {family.encoder_class + "ForMaskedLM"};
  return config;
}

}  // namespace

bool is_bare(const Json& config) {
  const Family* family = family_of(config);
  if (family == nullptr || family->encoder_class.empty()) return false;
  const auto classes = config.find("architectures");
  return classes != config.end() && classes->is_array() && !classes->empty() &&
         classes->front() == family->encoder_class + "Model";
}

Json with_head(Json config, const NewHead& head, const std::string& source) {
  const Family* family = family_of(config);
  if (family == nullptr || family->encoder_class.empty()) {
    const Json type = config.is_object() ? config.value("model_type", Json()) : Json();
    const std::string kind = head.task == HeadTask::kMasked ? "hidden words" : "labels";
    throw FileError(source, "model_type " + type.dump() + " can have no head of " + kind,
                    "Give an encoder, BERT, RoBERTa, DistilBERT, DeBERTa V3 or ModernBERT, or an "
                    "image model, ViT, DINOv2 or CLIP.");
  }
  if (!family->whole.empty()) return with_head(as_whole(config, *family), head, source);
  if (head.task == HeadTask::kMasked) return with_masked_head(std::move(config), *family, source);
  const auto count = static_cast<std::int64_t>(head.names.size());
  if (head.labels < 1 || (count > 0 && count != head.labels)) {
    throw ModelError("a head needs one label or more, and a name for each or for none: got " +
                     std::to_string(head.labels) + " labels, " + std::to_string(count) + " names");
  }
  const bool tokens = head.task == HeadTask::kToken;
  if (tokens && family->reads_images) {
    throw FileError(source, family->model_type + " reads images and can label no tokens");
  }
  const char* documents =
      family->reads_images ? "ForImageClassification" : "ForSequenceClassification";
  config["architectures"] = {family->encoder_class +
                             (tokens ? "ForTokenClassification" : documents)};
  const auto stored = config.find("id2label");
  const bool known = stored != config.end() && stored->is_object() &&
                     static_cast<std::int64_t>(stored->size()) == head.labels;
  if (!known || count > 0) {
    Json names = Json::object(), numbers = Json::object();
    for (std::int64_t i = 0; i < head.labels; ++i) {
      const std::string number = std::to_string(i);
      const std::string name =
          count > 0 ? head.names[static_cast<std::size_t>(i)] : "LABEL_" + number;
      names[number] = name;
      numbers[name] = i;
    }
    config["id2label"] = names;
    config["label2id"] = numbers;
  }
  config.erase("num_labels");
  config["problem_type"] =
      head.labels == 1 && !tokens ? "regression" : "single_label_classification";
  return config;
}

}  // namespace svtune
