#include "text/tokenizer_json.h"

#include <simdjson.h>

#include <optional>
#include <string>
#include <utility>

#include "base/errors.h"
#include "text/bpe_builder.h"

namespace svtune {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;

class JsonTokenizerReader {
 public:
  explicit JsonTokenizerReader(const std::string& file) : file_(file) {}

  TokenizerParts read(std::string_view json) {
    const dom::object root = parse(json);
    std::optional<Json> pre_tokenizer = small_part(root, "pre_tokenizer");
    if (pre_tokenizer)
      parts_.pre_tokenizer = make_pre_tokenizer(part(*pre_tokenizer, "pre_tokenizer"));
    read_model(require_object(root, "model"));
    if (auto json_part = small_part(root, "normalizer")) {
      parts_.normalizer = make_normalizer(part(*json_part, "normalizer"));
    }
    if (auto json_part = small_part(root, "post_processor")) {
      parts_.frame = make_post_processor(part(*json_part, "post_processor"));
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
    if (json.starts_with("\xEF\xBB\xBF")) json.remove_prefix(3);
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

  // Absent or null: false.
  static bool find(const dom::object& object, const char* key, dom::element& out) {
    return object.at_key(key).get(out) == simdjson::SUCCESS && !out.is_null();
  }

  std::optional<Json> small_part(const dom::object& root, const char* key) const {
    dom::element element;
    if (!find(root, key, element)) return std::nullopt;
    return parse_json(simdjson::minify(element), file_ + ": " + key);
  }

  dom::object require_object(const dom::object& parent, const char* key) const {
    dom::element element;
    dom::object object;
    if (!find(parent, key, element)) fail(std::string(key) + " is missing");
    if (element.get(object)) fail(std::string(key) + " must be an object");
    return object;
  }

  std::string text(const dom::object& object, const char* key) const {
    dom::element element;
    std::string_view value;
    if (!find(object, key, element)) return {};
    if (element.get(value)) fail(std::string("model.") + key + " must be a string");
    return std::string(value);
  }

  bool flag(const dom::object& object, const std::string& where, const char* key) const {
    dom::element element;
    bool value = false;
    if (find(object, key, element) && element.get(value)) {
      fail(where + "." + key + " must be true or false");
    }
    return value;
  }

  void read_model(const dom::object& model) {
    check_model(model);
    BpeBuilder builder(file_);
    const dom::object vocab = require_object(model, "vocab");
    dom::element merges_element;
    dom::array merges;
    if (!find(model, "merges", merges_element)) fail("model.merges is missing");
    if (merges_element.get(merges)) fail("model.merges must be an array");
    builder.reserve(vocab.size(), vocab.size() * 8, merges.size());
    for (const auto [token, value] : vocab) {
      std::int64_t id = 0;
      if (value.get(id)) fail("the id of token \"" + std::string(token) + "\" must be an integer");
      builder.add_token(token, id);
    }
    for (const dom::element merge : merges) add_merge(builder, merge);
    BpeOptions options;
    options.byte_level = parts_.pre_tokenizer.byte_level;
    options.byte_fallback = flag(model, "model", "byte_fallback");
    options.fuse_unk = flag(model, "model", "fuse_unk");
    options.ignore_merges = flag(model, "model", "ignore_merges");
    options.unk_token = text(model, "unk_token");
    parts_.model = builder.build(std::move(options));
  }

  // Old files have no type; a list of merges tells a byte-pair model.
  void check_model(const dom::object& model) const {
    const std::string type = text(model, "type");
    dom::element element;
    if (type != "BPE" && (!type.empty() || !find(model, "merges", element))) {
      throw FileError(file_, "model.type \"" + type + "\" is not supported",
                      "Only byte-pair models (BPE) can be used.");
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!text(model, key).empty()) fail(std::string("model.") + key + " is not supported");
    }
    double dropout = 0;
    if (find(model, "dropout", element) && (element.get(dropout) || dropout != 0)) {
      fail("model.dropout must be null: encoding has to be deterministic");
    }
  }

  void add_merge(BpeBuilder& builder, const dom::element& merge) const {
    std::string_view line;
    if (!merge.get(line)) return builder.add_merge_line(line);
    dom::array pair;
    std::string_view left;
    std::string_view right;
    const bool valid =
        !merge.get(pair) && pair.size() == 2 && !pair.at(0).get(left) && !pair.at(1).get(right);
    if (!valid) fail("model.merges must hold strings \"a b\" or pairs [\"a\", \"b\"]");
    builder.add_merge(left, right);
  }

  void read_added_tokens(const dom::object& root) {
    dom::element element;
    dom::array tokens;
    if (!find(root, "added_tokens", element)) return;
    if (element.get(tokens)) fail("added_tokens must be an array");
    for (const dom::element item : tokens) {
      const std::string where = "added_tokens[]";
      dom::object object;
      std::string_view content;
      if (item.get(object)) fail("added_tokens must hold objects");
      if (object.at_key("content").get(content)) fail(where + ".content must be a string");
      AddedToken token;
      token.content = content;
      token.single_word = flag(object, where, "single_word");
      token.lstrip = flag(object, where, "lstrip");
      token.rstrip = flag(object, where, "rstrip");
      token.normalized = flag(object, where, "normalized");
      token.special = flag(object, where, "special");
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
