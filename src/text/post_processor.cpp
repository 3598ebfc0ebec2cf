#include "text/post_processor.h"

#include <string>
#include <utility>

#include "text/vocabulary.h"

namespace svtune {
namespace {

using Ids = std::vector<std::int32_t>;
using Kind = SequencePart::Kind;

constexpr std::int64_t kMaxType = 1 << 16;

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

std::int32_t type_of(const JsonPart& piece) {
  if (!piece.has("type_id")) return 0;
  return static_cast<std::int32_t>(piece.integer("type_id", 0, kMaxType));
}

// The list of pieces under `key`, which contains `texts` texts once each.
SequenceTemplate read_template(const JsonPart& part, const char* key, int texts) {
  SequenceTemplate form;
  int firsts = 0;
  int seconds = 0;
  for (const JsonPart& piece : part.children(key)) {
    if (piece.has("Sequence")) {
      const JsonPart sequence = piece.child("Sequence");
      const bool second = sequence.optional_text("id").value_or("A") == "B";
      ++(second ? seconds : firsts);
      form.push_back({second ? Kind::kSecond : Kind::kFirst, {}, type_of(sequence)});
      continue;
    }
    const JsonPart token = piece.child("SpecialToken");
    form.push_back({Kind::kTokens, special_token_ids(part, token.text("id")), type_of(token)});
  }
  if (firsts != 1 || seconds != texts - 1) {
    part.fail(key, texts == 1 ? "must contain the sequence exactly once"
                              : "must contain the sequences A and B exactly once");
  }
  return form;
}

// ["[CLS]", 101]
std::int32_t named_token(const JsonPart& part, const char* key) {
  const Json& pair = part.json().value(key, Json());
  const bool valid = pair.is_array() && pair.size() == 2 && pair[1].is_number_integer() &&
                     pair[1] >= 0 && pair[1] <= kMaxTokenId;
  if (!valid) part.fail(key, "must be [token, id]");
  return pair[1].get<std::int32_t>();
}

SequencePart tokens(Ids ids, std::int32_t type) { return {Kind::kTokens, std::move(ids), type}; }

SequenceTemplates processor_sequence(const JsonPart& part) {
  const SequenceTemplates plain = framed_templates({});
  SequenceTemplates all = plain;
  for (const JsonPart& step : part.children("processors")) {
    SequenceTemplates outer = make_post_processor(step);
    if (outer == plain) continue;
    if (all == plain) {
      all = std::move(outer);
      continue;
    }
    const SpecialFrame inner = frame_of(all.single);
    SpecialFrame frame = frame_of(outer.single);
    frame.prefix.insert(frame.prefix.end(), inner.prefix.begin(), inner.prefix.end());
    frame.suffix.insert(frame.suffix.begin(), inner.suffix.begin(), inner.suffix.end());
    all = framed_templates(frame);
    all.pair.clear();
  }
  return all;
}

}  // namespace

SpecialFrame frame_of(const SequenceTemplate& single) {
  SpecialFrame frame;
  bool after = false;
  for (const SequencePart& part : single) {
    after = after || part.kind != Kind::kTokens;
    Ids& side = after ? frame.suffix : frame.prefix;
    side.insert(side.end(), part.ids.begin(), part.ids.end());
  }
  return frame;
}

SequenceTemplates framed_templates(const SpecialFrame& frame) {
  SequenceTemplates out;
  const auto append = [&](SequenceTemplate& form, Kind kind, std::int32_t type) {
    if (!frame.prefix.empty()) form.push_back(tokens(frame.prefix, type));
    form.push_back({kind, {}, type});
    if (!frame.suffix.empty()) form.push_back(tokens(frame.suffix, type));
  };
  append(out.single, Kind::kFirst, 0);
  append(out.pair, Kind::kFirst, 0);
  append(out.pair, Kind::kSecond, 1);
  return out;
}

SequenceTemplates bert_templates(std::int32_t cls, std::int32_t sep) {
  const SequenceTemplate single = {tokens({cls}, 0), {Kind::kFirst, {}, 0}, tokens({sep}, 0)};
  SequenceTemplate pair = single;
  pair.push_back({Kind::kSecond, {}, 1});
  pair.push_back(tokens({sep}, 1));
  return {single, pair};
}

SequenceTemplates roberta_templates(std::int32_t cls, std::int32_t sep) {
  SequenceTemplates out = bert_templates(cls, sep);
  out.pair[2].ids.push_back(sep);
  for (SequencePart& part : out.pair) part.type = 0;
  return out;
}

SequenceTemplates make_post_processor(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "ByteLevel") return framed_templates({});  // changes offsets only
  if (type == "TemplateProcessing") {
    SequenceTemplates out{read_template(part, "single", 1), {}};
    if (part.has("pair") && !part.children("pair").empty()) {
      out.pair = read_template(part, "pair", 2);
    }
    return out;
  }
  if (type == "BertProcessing") {
    return bert_templates(named_token(part, "cls"), named_token(part, "sep"));
  }
  if (type == "RobertaProcessing") {
    return roberta_templates(named_token(part, "cls"), named_token(part, "sep"));
  }
  if (type != "Sequence") {
    part.fail_type("BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing");
  }
  return processor_sequence(part);
}

}  // namespace svtune
