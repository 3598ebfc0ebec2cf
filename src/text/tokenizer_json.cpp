#include "text/tokenizer_json.h"

#include <simdjson.h>

#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "base/text_util.h"
#include "text/json_models.h"
#include "text/json_normalizer.h"

namespace svtune {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;

class JsonTokenizerReader {
 public:
  explicit JsonTokenizerReader(const std::string& file) : file_(file) {}

  TokenizerParts read(std::string_view json) {
    const JsonObject root(parse(json), "", file_);
    std::optional<Json> pre_tokenizer = small_part(root, "pre_tokenizer");
    if (pre_tokenizer)
      parts_.pre_tokenizer = make_pre_tokenizer(part(*pre_tokenizer, "pre_tokenizer"));
    const JsonObject model = root.child("model");
    // Only byte pairs take bytes as they are.
    if (!is_byte_pair_model(model)) parts_.pre_tokenizer.write_byte_notation();
    parts_.model = make_json_model(model, parts_.pre_tokenizer.byte_level);
    if (auto json_part = small_part(root, "normalizer")) {
      parts_.normalizer = make_normalizer(part(*json_part, "normalizer"));
    }
    if (auto json_part = small_part(root, "post_processor")) {
      parts_.templates = make_post_processor(part(*json_part, "post_processor"));
      parts_.frame = frame_of(parts_.templates.single);
    }
    if (auto json_part = small_part(root, "decoder")) {
      parts_.decoder = make_decoder(part(*json_part, "decoder"));
    }
    read_added_tokens(root);
    return std::move(parts_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FileError(file_, what); }

  JsonPart part(const Json& json, const char* where) const { return JsonPart(json, where, file_); }

  dom::object parse(std::string_view json) {
    json = without_byte_order_mark(json);
    dom::element root;
    auto error = parser_.allocate(json.size(), kMaxDepth);
    if (!error) error = parser_.parse(json.data(), json.size()).get(root);
    dom::object object;
    if (!error) error = root.get(object);
    if (error) {
      // Slower, but it knows the line and the column.
      const Json parsed = parse_json(json, file_);
      if (!parsed.is_object()) fail("must hold an object");
      fail(std::string("is not valid JSON: ") + simdjson::error_message(error));
    }
    return object;
  }

  std::optional<Json> small_part(const JsonObject& root, const char* key) const {
    dom::element element;
    if (!root.find(key, element)) return std::nullopt;
    return parse_json(simdjson::minify(element), file_ + ": " + key);
  }

  void read_added_tokens(const JsonObject& root) {
    dom::element element;
    if (!root.find("added_tokens", element)) return;
    for (const dom::element item : root.array("added_tokens")) {
      dom::object object;
      std::string_view content;
      if (item.get(object)) fail("added_tokens must hold objects");
      if (object.at_key("content").get(content)) fail("added_tokens[].content must be a string");
      const JsonObject flags(object, "added_tokens[]", file_);
      AddedToken token;
      token.content = content;
      token.single_word = flags.flag("single_word");
      token.lstrip = flags.flag("lstrip");
      token.rstrip = flags.flag("rstrip");
      token.normalized = flags.flag("normalized");
      token.special = flags.flag("special");
      parts_.added.add(std::move(token), parts_.model->vocabulary());
    }
  }

  const std::string& file_;
  dom::parser parser_;
  TokenizerParts parts_;
};

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view json, const std::string& file) {
  return JsonTokenizerReader(file).read(json);
}

}  // namespace svtune
