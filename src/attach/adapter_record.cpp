#include "attach/adapter_record.h"

#include "base/errors.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

struct RecordedOptions {
  MethodConfig method;
  TargetOptions targets;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor& visit) {
    visit.choice(self.method, {.name = "method", .help = "How the model is adapted"});
    visit.group("", self.targets);
  }
};

}  // namespace

Json options_to_json(const MethodConfig& method, const TargetOptions& targets) {
  return fields_to_json(RecordedOptions{method, targets});
}

Json record_to_json(const AdapterRecord& record) {
  Json json = Json::object();
  json["options"] = options_to_json(record.method, record.targets);
  json["seed"] = record.seed;
  json["layers"] = record.layers;
  if (record.needs_its_base) json["needs_its_base"] = true;
  if (!record.calibration.is_null()) json["calibration"] = record.calibration;
  return json;
}

AdapterRecord record_from_json(const Json& json, const std::string& source_name) {
  const auto wrong = [&](const char* key, const char* need) -> UsageError {
    return UsageError(source_name + ": " + key + " must be " + need);
  };
  if (!json.is_object()) throw UsageError(source_name + ": an object is expected");
  if (!json.contains("options") || !json["options"].is_object()) {
    throw wrong("\"options\"", "an object");
  }
  if (!json.contains("seed") || !json["seed"].is_number_integer() ||
      (!json["seed"].is_number_unsigned() && json["seed"].get<std::int64_t>() < 0)) {
    throw wrong("\"seed\"", "an integer of at least 0");
  }
  RecordedOptions options;
  fields_from_json(options, json["options"], source_name);
  AdapterRecord record{options.method, options.targets, json["seed"].get<std::uint64_t>()};
  record.layers = json.value("layers", Json::object());
  if (!record.layers.is_object()) throw wrong("\"layers\"", "an object");
  record.calibration = json.value("calibration", Json());
  if (!record.calibration.is_null() && !record.calibration.is_object()) {
    throw wrong("\"calibration\"", "an object");
  }
  const Json needs = json.value("needs_its_base", Json(false));
  if (!needs.is_boolean()) throw wrong("\"needs_its_base\"", "true or false");
  record.needs_its_base = needs.get<bool>();
  return record;
}

}  // namespace svtune
