// Builds tokenizer.json and tokenizer_config.json; see gguf_tokenizer.h. The regular
// expressions are those that the models' own tokenizers publish.
#include "formats/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_set>

#include "base/errors.h"
#include "base/files.h"

namespace svtune {
namespace {

constexpr const char* kSpaceMark = "\xE2\x96\x81";  // U+2581

constexpr const char* kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kTekkenSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct PreTokenizer {
  std::string_view name;  // tokenizer.ggml.pre
  const char* split;      // regular expression applied before ByteLevel, or nullptr
  bool gpt2_regex;        // ByteLevel splits by GPT-2's own expression
  bool nfc;
  bool ignore_merges;
};

constexpr std::array<PreTokenizer, 21> kPreTokenizers = {{
    {"", nullptr, true, false, false},
    {"default", nullptr, true, false, false},
    {"gpt-2", nullptr, true, false, false},
    {"gpt2", nullptr, true, false, false},
    {"mpt", nullptr, true, false, false},
    {"olmo", nullptr, true, false, false},
    {"phi-2", nullptr, true, false, false},
    // Digits stand alone, then GPT-2's expression.
    {"smollm", R"(\p{N})", true, false, false},
    {"starcoder", R"(\p{N})", true, false, false},
    {"refact", R"(\p{N})", true, false, false},
    {"codeshell", R"(\p{N})", true, false, false},
    {"llama-bpe", kLlama3Split, false, false, true},
    {"llama3", kLlama3Split, false, false, true},
    {"llama-v3", kLlama3Split, false, false, true},
    {"falcon3", kLlama3Split, false, false, true},
    {"smaug-bpe", kLlama3Split, false, false, false},
    {"dbrx", kLlama3Split, false, false, false},
    {"qwen2", kQwen2Split, false, true, false},
    {"megrez", kQwen2Split, false, true, false},
    {"deepseek-r1-qwen", kQwen2Split, false, false, false},
    {"tekken", kTekkenSplit, false, false, true},
}};

const PreTokenizer& find_pre_tokenizer(const GgufFile& file, const GgufVocab& vocab) {
  for (const PreTokenizer& pre : kPreTokenizers) {
    if (pre.name == vocab.pre) return pre;
  }
  throw FileError(file.path().string(),
                  "key \"tokenizer.ggml.pre\": \"" + vocab.pre + "\" is not supported",
                  "take the tokenizer from the model's original directory");
}

Json byte_level(bool add_prefix_space, bool trim_offsets, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", use_regex}};
}

Json split(const Json& pattern, const char* behavior) {
  return {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", false}};
}

Json replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

Json metaspace(const char* prepend) {
  return {{"type", "Metaspace"},
          {"replacement", kSpaceMark},
          {"prepend_scheme", prepend},
          {"split", false}};
}

Json sequence(const char* key, Json items) { return {{"type", "Sequence"}, {key, items}}; }

// Adds begin and end tokens around A and B; null when there is nothing to add.
Json template_processing(const GgufVocab& vocab) {
  const bool bos = vocab.add_bos && vocab.bos;
  const bool eos = vocab.add_eos && vocab.eos;
  if (!bos && !eos) return nullptr;
  const auto token = [&](std::int64_t id) { return vocab.tokens[static_cast<std::size_t>(id)]; };
  const auto part = [&](Json& into, const char* name, int type) {
    if (bos) into.push_back({{"SpecialToken", {{"id", token(*vocab.bos)}, {"type_id", type}}}});
    into.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
    if (eos) into.push_back({{"SpecialToken", {{"id", token(*vocab.eos)}, {"type_id", type}}}});
  };
  Json single = Json::array();
  part(single, "A", 0);
  Json pair = single;
  part(pair, "B", 1);
  Json special = Json::object();
  for (const auto& id : {bos ? vocab.bos : std::nullopt, eos ? vocab.eos : std::nullopt}) {
    if (!id) continue;
    special[token(*id)] = {
        {"id", token(*id)}, {"ids", Json::array({*id})}, {"tokens", Json::array({token(*id)})}};
  }
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", special}};
}

// Control and user-defined tokens stay whole in any text; the named ids are always special.
Json added_tokens(const GgufVocab& vocab) {
  std::set<std::size_t> special;
  for (const auto& id : {vocab.bos, vocab.eos, vocab.unknown, vocab.padding}) {
    if (id) special.insert(static_cast<std::size_t>(*id));
  }
  Json added = Json::array();
  for (std::size_t i = 0; i < vocab.tokens.size(); ++i) {
    const GgufTokenType type = vocab.types[i];
    const bool is_special =
        type == GgufTokenType::kControl || type == GgufTokenType::kUnknown || special.count(i) > 0;
    const bool respelled = vocab.is_gemma() && vocab.tokens[i].starts_with(kSpaceMark);
    if (!is_special && (type != GgufTokenType::kUserDefined || respelled)) continue;
    if (vocab.tokens[i].empty()) continue;
    added.push_back({{"id", i},
                     {"content", vocab.tokens[i]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", is_special}});
  }
  return added;
}

Json bpe_model(const GgufVocab& vocab, bool sentencepiece, bool ignore_merges) {
  Json table = Json::object();
  std::unordered_set<std::string_view> seen;
  for (std::size_t i = 0; i < vocab.tokens.size(); ++i) {
    if (seen.insert(vocab.tokens[i]).second) append_member(table, vocab.tokens[i], i);
  }
  const bool plain = std::none_of(vocab.merges.begin(), vocab.merges.end(), [](const auto& merge) {
    return merge.first.find(' ') != std::string::npos ||
           merge.second.find(' ') != std::string::npos;
  });
  Json merges = Json::array();
  for (const auto& [left, right] : vocab.merges) {
    merges.push_back(plain ? Json(left + " " + right) : Json::array({left, right}));
  }
  Json unknown = nullptr;
  if (sentencepiece && vocab.unknown) {
    unknown = vocab.tokens[static_cast<std::size_t>(*vocab.unknown)];
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", sentencepiece},
          {"byte_fallback", sentencepiece},
          {"ignore_merges", ignore_merges},
          {"vocab", std::move(table)},
          {"merges", std::move(merges)}};
}

struct Pipeline {
  Json normalizer, pre_tokenizer, post_processor, decoder;
  bool ignore_merges = false;
};

Pipeline byte_level_pipeline(const GgufFile& file, const GgufVocab& vocab) {
  const PreTokenizer& pre = find_pre_tokenizer(file, vocab);
  Pipeline pipeline;
  pipeline.ignore_merges = pre.ignore_merges;
  if (pre.nfc) pipeline.normalizer = {{"type", "NFC"}};
  const Json bytes = byte_level(false, true, pre.gpt2_regex);
  pipeline.pre_tokenizer =
      pre.split == nullptr
          ? bytes
          : sequence("pretokenizers",
                     Json::array({split({{"Regex", pre.split}}, "Isolated"), bytes}));
  pipeline.decoder = byte_level(true, true, true);
  pipeline.post_processor = byte_level(true, false, true);
  const Json around = template_processing(vocab);
  if (!around.is_null()) {
    pipeline.post_processor =
        sequence("processors", Json::array({pipeline.post_processor, around}));
  }
  return pipeline;
}

Pipeline sentencepiece_pipeline(const GgufVocab& vocab) {
  Pipeline pipeline;
  pipeline.post_processor = template_processing(vocab);
  Json decoders =
      Json::array({replace(kSpaceMark, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}});
  if (vocab.is_gemma()) {
    pipeline.normalizer = replace(" ", kSpaceMark);
    pipeline.pre_tokenizer = split({{"String", " "}}, "MergedWithPrevious");
  } else {
    pipeline.pre_tokenizer = metaspace(vocab.add_space_prefix ? "first" : "never");
    if (vocab.add_space_prefix) {
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
  }
  pipeline.decoder = sequence("decoders", decoders);
  return pipeline;
}

// Named templates: "tokenizer.chat_template" is the default, "tokenizer.chat_template.X" is X.
Json chat_template(const GgufFile& file) {
  constexpr std::string_view kPrefix = "tokenizer.chat_template.";
  const auto main = file.string("tokenizer.chat_template");
  Json list = Json::array();
  if (main) list.push_back({{"name", "default"}, {"template", *main}});
  for (const auto& [key, value] : file.metadata()) {
    const auto* text = std::get_if<std::string_view>(&value);
    if (!key.starts_with(kPrefix) || text == nullptr) continue;
    list.push_back({{"name", key.substr(kPrefix.size())}, {"template", std::string(*text)}});
  }
  if (list.empty()) return nullptr;
  return list.size() == 1 && main ? Json(*main) : list;
}

void write_indented(const std::filesystem::path& path, const Json& json) {
  JsonStyle style;
  style.indent = 2;
  style.final_newline = true;
  write_file_atomic(path, dump_json(json, style));
}

}  // namespace

Json tokenizer_json_from_gguf(const GgufFile& file, const GgufVocab& vocab) {
  const bool sentencepiece = vocab.model == "llama";
  Pipeline pipeline =
      sentencepiece ? sentencepiece_pipeline(vocab) : byte_level_pipeline(file, vocab);
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens(vocab)},
          {"normalizer", pipeline.normalizer},
          {"pre_tokenizer", pipeline.pre_tokenizer},
          {"post_processor", pipeline.post_processor},
          {"decoder", pipeline.decoder},
          {"model", bpe_model(vocab, sentencepiece, pipeline.ignore_merges)}};
}

Json tokenizer_config_from_gguf(const GgufFile& file, const GgufVocab& vocab) {
  Json json = {{"add_bos_token", vocab.add_bos && vocab.bos.has_value()},
               {"add_eos_token", vocab.add_eos && vocab.eos.has_value()}};
  const auto add = [&](const char* name, std::optional<std::int64_t> id) {
    if (id) json[name] = vocab.tokens[static_cast<std::size_t>(*id)];
  };
  add("bos_token", vocab.bos);
  if (const Json text = chat_template(file); !text.is_null()) json["chat_template"] = text;
  json["clean_up_tokenization_spaces"] = false;
  add("eos_token", vocab.eos);
  if (const auto length = file.integer(vocab.architecture + ".context_length")) {
    json["model_max_length"] = *length;
  }
  add("pad_token", vocab.padding);
  // The generic class reads tokenizer.json as it is; the named ones rebuild parts of it.
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  add("unk_token", vocab.unknown);
  return json;
}

void write_tokenizer_files(const GgufFile& file, const std::filesystem::path& directory) {
  const GgufVocab vocab = read_gguf_vocab(file);
  write_indented(directory / "tokenizer.json", tokenizer_json_from_gguf(file, vocab));
  write_indented(directory / "tokenizer_config.json", tokenizer_config_from_gguf(file, vocab));
}

}  // namespace svtune
