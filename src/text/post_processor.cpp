#include "text/post_processor.h"

#include <string>

#include "text/vocabulary.h"

namespace svtune {
namespace {

using Ids = std::vector<std::int32_t>;

Ids special_token_ids(const JsonPart& part, const std::string& name) {
  const JsonPart token = part.child("special_tokens").child(name);
  const Json& ids = token.json().value("ids", Json::array());
  Ids out;
  if (!ids.is_array() || ids.empty()) token.fail("ids", "must be an array of ids");
  for (const Json& id : ids) {
    const bool valid = id.is_number_integer() && id >= 0 && id <= kMaxTokenId;
    if (!valid) token.fail("ids", "must hold ids from 0 to " + std::to_string(kMaxTokenId));
    out.push_back(id.get<std::int32_t>());
  }
  return out;
}

SpecialFrame template_frame(const JsonPart& part) {
  SpecialFrame frame;
  int texts = 0;
  for (const JsonPart& piece : part.children("single")) {
    if (piece.has("Sequence")) {
      ++texts;
      continue;
    }
    const Ids ids = special_token_ids(part, piece.child("SpecialToken").text("id"));
    Ids& side = texts == 0 ? frame.prefix : frame.suffix;
    side.insert(side.end(), ids.begin(), ids.end());
  }
  if (texts != 1) part.fail("single", "must contain the sequence exactly once");
  return frame;
}

// ["[CLS]", 101]
std::int32_t named_token(const JsonPart& part, const char* key) {
  const Json& pair = part.json().value(key, Json());
  const bool valid = pair.is_array() && pair.size() == 2 && pair[1].is_number_integer() &&
                     pair[1] >= 0 && pair[1] <= kMaxTokenId;
  if (!valid) part.fail(key, "must be [token, id]");
  return pair[1].get<std::int32_t>();
}

}  // namespace

SpecialFrame make_post_processor(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "ByteLevel") return {};  // changes offsets only
  if (type == "TemplateProcessing") return template_frame(part);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {{named_token(part, "cls")}, {named_token(part, "sep")}};
  }
  if (type != "Sequence") {
    part.fail_type("BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing");
  }
  SpecialFrame frame;
  for (const JsonPart& step : part.children("processors")) {
    const SpecialFrame outer = make_post_processor(step);
    frame.prefix.insert(frame.prefix.begin(), outer.prefix.begin(), outer.prefix.end());
    frame.suffix.insert(frame.suffix.end(), outer.suffix.begin(), outer.suffix.end());
  }
  return frame;
}

}  // namespace svtune
