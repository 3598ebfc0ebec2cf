#include "adapter_files/head_form.h"

#include "libtorch/prelude.h"

namespace svtune {

std::string peft_task(HeadTask task) {
  if (task == HeadTask::kMasked) return "";
  if (task == HeadTask::kNextToken) return "CAUSAL_LM";
  return task == HeadTask::kDocument ? "SEQ_CLS" : "TOKEN_CLS";
}

Json head_json(const Model& model) {
  if (model.spec().task == HeadTask::kMasked) {
    Json json = Json::object();
    json["task"] = kMaskedTask;
    return json;
  }
  Json labels = Json::array();
  const auto names = model.config.find("id2label");
  for (std::int64_t i = 0; i < model.spec().num_labels; ++i) {
    const std::string number = std::to_string(i);
    const bool named = names != model.config.end() && names->is_object() &&
                       names->contains(number) && names->at(number).is_string();
    labels.push_back(named ? names->at(number).get<std::string>() : "LABEL_" + number);
  }
  return {{"task", peft_task(model.spec().task)}, {"labels", labels}};
}

}  // namespace svtune
