#include "train/run_inputs.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/text_util.h"

namespace svtune {
namespace {

namespace fs = std::filesystem;

constexpr char kInputsFile[] = "checkpoints/inputs.json";
constexpr char kTokens[] = "tokens", kQuantized[] = "quantized";
constexpr const char* kOtherTokens =
    "--model, --template, --chat-template: another tokenizer, prompt or preprocessor_config.json "
    "makes another input of the data";

// With what each entry is called in messages.
template <class Inputs, class Visit>
void each_input(Inputs& inputs, Visit visit) {
  visit("model", inputs.model, "--model: the weights or the configuration are others");
  visit("data", inputs.data, "--data: the training data have changed");
  visit("examples", inputs.examples, kOtherTokens);
  visit("adapter", inputs.adapter, "--adapter: its files have changed");
  visit("dtype", inputs.dtype, "--dtype: the run computes in another arithmetic");
}

// Evenly spread, and of a large file among those that were looked at already.
std::string hash_of_examples(const ExampleStore& store) {
  constexpr std::int64_t kExamples = 50;
  Hasher64 hasher;
  const std::int64_t count = std::min(kExamples, store.size());
  for (std::int64_t i = 0; i < count; ++i) {
    const std::optional<TokenizedExample> example = store.get(i * store.size() / count);
    if (!example) continue;
    hasher.update(std::as_bytes(std::span(example->ids)));
    for (const bool learnt : example->supervised) hasher.update(learnt ? "+" : "-");
  }
  return hex64(hasher.digest());
}

std::string hash_of_documents(const DocumentStore& store) {
  constexpr std::int64_t kDocuments = 50;
  PackedBatch batch;
  const std::int64_t count = std::min(kDocuments, store.size());
  for (std::int64_t i = 0; i < count; ++i) store.append_to(batch, i * store.size() / count);
  Hasher64 hasher;
  hasher.update(std::as_bytes(std::span(batch.tokens)));
  hasher.update(std::as_bytes(std::span(batch.token_types)));
  hasher.update(std::as_bytes(std::span(batch.supervised)));
  hasher.update(std::as_bytes(std::span(batch.targets)));
  hasher.update(std::as_bytes(std::span(batch.classes)));
  hasher.update(std::as_bytes(std::span(batch.numbers)));
  hasher.update(std::as_bytes(std::span(batch.pixels)));
  return hex64(hasher.digest());
}

// Documents that are all in memory.
std::string hash_of_tokens(const DocumentStore& store) {
  Hasher64 hasher;
  for (std::int64_t i = 0; i < store.size(); ++i) {
    PackedBatch document;
    store.append_to(document, i);
    hasher.update(std::as_bytes(std::span(document.tokens)));
    hasher.update(std::as_bytes(std::span(document.token_types)));
    hasher.update(std::as_bytes(std::span(document.offsets)));
  }
  return hex64(hasher.digest());
}

// The files that say what the adapter is and does.
std::string hash_of_adapter(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string kind = entry.path().extension().string();
    if (kind == ".json" || kind == ".safetensors" || kind == ".bin") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  Hasher64 hasher;
  for (const fs::path& file : files) {
    hasher.update(file.filename().string());
    const MappedFile content(file);
    hasher.update(content.bytes());
  }
  return hex64(hasher.digest());
}

}  // namespace

RunInputs inputs_of(const TrainSession& session) {
  const TrainModelOptions& model = session.options.model;
  RunInputs inputs{
      hex64(model_hash(model.model)), hex64(session.documents().fingerprint()),
      session.data ? hash_of_examples(*session.data) : hash_of_documents(*session.labelled),
      model.adapter ? hash_of_adapter(*model.adapter) : "", dtype_text(session.model.dtype())};
  if (session.data) {
    inputs.tokens = hex64(session.data->token_hash());
  } else if (!session.images) {
    inputs.tokens = hash_of_tokens(*session.labelled);
  }
  return inputs;
}

void save_inputs(const fs::path& run, const RunInputs& inputs) {
  Json json = Json::object();
  each_input(inputs, [&json](const char* key, const std::string& value, const char*) {
    json[key] = value;
  });
  if (!inputs.tokens.empty()) json[kTokens] = inputs.tokens;
  if (!inputs.quantized.empty()) json[kQuantized] = inputs.quantized;
  fs::create_directories((run / kInputsFile).parent_path());
  write_file_atomic(run / kInputsFile, dump_json(json, {.indent = 2, .final_newline = true}));
}

std::optional<RunInputs> read_inputs(const fs::path& run) {
  const fs::path file = run / kInputsFile;
  if (!fs::exists(file)) return std::nullopt;
  const Json json = read_json_file(file);
  RunInputs inputs;
  each_input(inputs, [&](const char* key, std::string& value, const char*) {
    const auto found = json.is_object() ? json.find(key) : json.end();
    if (found == json.end() || !found->is_string()) {
      throw FileError(file.string(), std::string("has no usable ") + key);
    }
    value = found->get<std::string>();
  });
  const auto later = [&](const char* key) {
    const Json value = json.value(key, Json(""));
    if (!value.is_string()) throw FileError(file.string(), std::string("has no usable ") + key);
    return value.get<std::string>();
  };
  inputs.tokens = later(kTokens);
  inputs.quantized = later(kQuantized);
  return inputs;
}

void add_quantized_base(RunInputs& inputs, const TrainSession& session,
                        const std::optional<RunInputs>& begun) {
  if (!session.options.model.base_dtype) return;
  const fs::path& base = session.model.path;
  inputs.quantized = hex64(model_hash(base));
  if (!begun || begun->quantized.empty() || begun->quantized == inputs.quantized) return;
  throw FileError(base.string(), "is not the quantised base that the run began with",
                  "Remove " + base.parent_path().string() + ": the run makes it again.");
}

void require_same_inputs(const RunInputs& begun, const RunInputs& now) {
  std::vector<std::string> wanted, changed;
  each_input(begun,
             [&](const char*, const std::string& value, const char*) { wanted.push_back(value); });
  std::size_t i = 0;
  each_input(now, [&](const std::string& key, const std::string& value, const char* text) {
    // Other data give other examples by themselves.
    const bool told = key == "examples" && now.data != begun.data;
    if (value != wanted[i++] && !told) changed.emplace_back(text);
  });
  if (now.dtype != begun.dtype) changed.back() += " (" + begun.dtype + ", now " + now.dtype + ")";
  const bool same_texts = now.data == begun.data && now.examples == begun.examples;
  const bool known = !now.tokens.empty() && !begun.tokens.empty();
  if (same_texts && known && now.tokens != begun.tokens) changed.emplace_back(kOtherTokens);
  if (changed.empty()) return;
  throw ModelError("the run cannot go on with this: " + join(changed, "; "),
                   "Give back what it began with, or begin a new run in another --output.");
}

}  // namespace svtune
