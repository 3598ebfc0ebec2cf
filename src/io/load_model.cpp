#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/errors.h"
#include "base/hash.h"
#include "base/text_util.h"
#include "io/arithmetic.h"
#include "io/base_tensors.h"
#include "io/gguf_source.h"
#include "io/headed_source.h"
#include "io/model.h"
#include "io/preprocessor_file.h"
#include "io/prompt_files.h"
#include "io/quantized_source.h"
#include "io/repeated_layers.h"
#include "io/resized_source.h"
#include "io/safetensors_source.h"
#include "io/stored_names.h"
#include "io/transposed_source.h"
#include "libtorch/prelude.h"
#include "models/families.h"
#include "nn/narrow_product.h"

namespace svtune {
namespace {

// A sum is not finite exactly when some element is not; fp64 cannot overflow here. In pieces,
// because the sum makes an fp64 copy of what it is given.
bool is_finite(const at::Tensor& tensor) {
  constexpr std::int64_t kPiece = 1 << 20;
  const at::Tensor flat = tensor.contiguous().view(-1);
  for (std::int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const std::int64_t count = std::min(kPiece, flat.numel() - begin);
    if (!std::isfinite(flat.narrow(0, begin, count).sum(at::kDouble).item<double>())) return false;
  }
  return true;
}

// Gathers what does not fit while the network asks for its tensors.
class CheckedLoader {
 public:
  CheckedLoader(const WeightSource& source, const StoredNames& stored, at::ScalarType dtype,
                bool check_finite)
      : source_(source), stored_(stored), dtype_(dtype), check_finite_(check_finite) {}

  at::Tensor operator()(const std::string& name, const std::vector<std::int64_t>& shape) {
    used_.insert(stored_.of(name));
    const std::optional<at::Tensor> tensor = source_.read(stored_.of(name), dtype_of(name, shape));
    if (!tensor) {
      add_problem(name, "is missing");
      return {};
    }
    if (tensor->sizes() != at::IntArrayRef(shape)) {
      add_problem(name, "has shape " + text(tensor->sizes()) + ", need " + text(shape));
      return {};
    }
    if (check_finite_ && !is_finite(*tensor)) {
      add_problem(name, "holds NaN or infinity");
      ++not_finite_;
    }
    return *tensor;
  }

  BaseWeight matrix(const std::string& name, std::int64_t out, std::int64_t in) {
    const std::shared_ptr<const QuantizedMatrix> stored = source_.read_quantized(stored_.of(name));
    if (!stored) {
      at::Tensor dense = (*this)(name, {out, in});
      return dense.defined() ? BaseWeight(std::move(dense), dtype_) : BaseWeight();
    }
    used_.insert(stored_.of(name));
    if (stored->out_features() != out || stored->in_features() != in) {
      add_problem(name, "has shape " + text({stored->out_features(), stored->in_features()}) +
                            ", need " + text({out, in}));
      return {};
    }
    return BaseWeight(stored, dtype_);
  }

  // Whether both tensors are stored, with different bytes. The first is used from here on: a
  // stored copy of a tied head carries no information.
  bool differs(const std::string& name, const std::string& other) {
    if (!stored_.contains(name) || !stored_.contains(stored_.of(other))) return false;
    used_.insert(name);
    return source_.hash(name) != source_.hash(stored_.of(other));
  }

  // Names the file of the first problem, and of each that lies in another one.
  void finish() const {
    if (problems_.empty()) return;
    constexpr std::size_t kShown = 8;
    const std::filesystem::path& path = problems_.front().place;
    std::vector<std::string> list;
    for (const Problem& problem : problems_) {
      const bool elsewhere = problem.place != path;
      list.push_back(problem.text +
                     (elsewhere ? " (" + problem.place.filename().string() + ")" : ""));
    }
    throw FileError(path.string(), join_some(list, "; ", kShown),
                    not_finite_ == problems_.size()
                        ? "The training that wrote them diverged, or the file was damaged."
                        : "The weights do not fit config.json; was the download complete?");
  }

  std::vector<std::string> unused() const {
    std::vector<std::string> list;
    for (const std::string& name : source_.names()) {
      if (!used_.contains(name)) list.push_back(name);
    }
    return list;
  }

 private:
  // Matrices stay as they are stored where products widen them.
  at::ScalarType dtype_of(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const at::ScalarType stored = source_.dtype(stored_.of(name)).value_or(dtype_);
    return shape.size() == 2 && is_narrower(stored, dtype_) ? stored : dtype_;
  }

  void add_problem(const std::string& name, const std::string& what) {
    problems_.push_back({source_.place_of(stored_.of(name)), "tensor " + name + " " + what});
  }

  static std::string text(at::IntArrayRef sizes) {
    std::string out = "[";
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      out += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
    }
    return out + "]";
  }

  const WeightSource& source_;
  const StoredNames& stored_;
  at::ScalarType dtype_;
  bool check_finite_;
  struct Problem {
    std::filesystem::path place;
    std::string text;
  };
  std::vector<Problem> problems_;
  std::size_t not_finite_ = 0;  // among them
  std::set<std::string> used_;
};

void open_source(Model& model) {
  if (model.path.extension() == ".gguf") {
    open_gguf(model.path, model.config, model.weights);
    return;
  }
  require_model_path(model.path);
  model.config = read_json_file(model.path / "config.json");
  auto files = std::make_shared<SafetensorsSource>(model.path);
  const auto quantization = model.config.find("quantization_config");
  if (quantization == model.config.end() || quantization->is_null()) {
    model.weights = std::move(files);
  } else {
    model.weights =
        open_quantized(std::move(files), *quantization, (model.path / "config.json").string());
  }
}

void resize_words(Model& model, std::int64_t count) {
  const DeclaredWords words = declared_words(model.config, (model.path / "config.json").string());
  if (count == words.count) return;
  if (words.embedding.empty()) {
    throw FileError(model.path.string(),
                    "the model reads images and has no words, whose number could be set");
  }
  model.config["vocab_size"] = count;
  model.weights = resized_words(std::move(model.weights), words, count);
  model.added_words = std::max<std::int64_t>(0, count - words.count);
}

// What of the files the network does not read, but for what carries no information.
void tell_unused(Model& model, const std::vector<std::string>& unused) {
  const std::vector<std::string>& networks = model.spec().other_networks;
  std::map<std::string, std::int64_t> others;  // tensors by the first parts of their names
  for (const std::string& name : unused) {
    const auto ends = [&](const std::string& end) { return name.ends_with(end); };
    const auto begins = [&](const std::string& start) { return name.starts_with(start); };
    if (std::ranges::any_of(model.spec().buffers, ends)) continue;
    if (std::ranges::any_of(networks, begins)) {
      others[name.substr(0, name.find('.'))] += 1;
    } else {
      model.warnings.push_back("unused tensor " + name);
    }
  }
  if (others.empty()) return;
  std::int64_t count = 0;
  std::string names;
  for (const auto& [name, tensors] : others) {
    count += tensors;
    names += (names.empty() ? "" : ", ") + name;
  }
  model.warnings.push_back(std::to_string(count) + " tensors belong to other networks of the " +
                           "checkpoint (" + names + "): they are not used, and models that are " +
                           "saved are without them");
}

void make_head(Model& model, const NewHead& head) {
  const std::string source = (model.path / "config.json").string();
  model.config = with_head(std::move(model.config), head, source);
  HeadedSource headed = with_new_head(std::move(model.weights), model.config, head, source);
  model.weights = std::move(headed.weights);
  model.made = std::move(headed.made);
  // That of words begins at 0 and not at random, so that nobody needs to train it.
  if (head.task == HeadTask::kMasked) std::erase(model.made, headed.output + ".bias");
  if (!headed.replaced) return;
  model.warnings.push_back("the head of " + std::to_string(*headed.replaced) + " labels that " +
                           model.path.string() + " holds is not used: one of " +
                           std::to_string(head.labels) + " takes its place");
}

}  // namespace

namespace {

[[noreturn]] void refuse_path(const std::filesystem::path& path) {
  const std::string hint = "Give a Hugging Face model directory or a .gguf file";
  if (std::filesystem::exists(path)) {
    throw FileError(path.string(), "is a file, need a model directory", hint + ".");
  }
  const bool hub = path.is_relative() && std::distance(path.begin(), path.end()) == 2 &&
                   !std::filesystem::exists(path.parent_path());
  throw FileError(path.string(), "no such model directory",
                  hint + (hub ? "; nothing is downloaded, so get the files of a model of the Hub "
                                "first."
                              : "."));
}

// Of what svtune writes, the directories that stand nearest to a model.
void refuse_run_or_adapter(const std::filesystem::path& path) {
  const auto holds = [&](const char* name) { return std::filesystem::exists(path / name); };
  if (holds("metrics.jsonl") && (holds("adapter") || holds("model"))) {
    throw FileError(path.string(), "is a run, need a model directory",
                    holds("model") ? "Give " + (path / "model").string() + "."
                                   : "Give the model that was trained, and " +
                                         (path / "adapter").string() + " as --adapter.");
  }
  const bool adapter = holds("adapter_config.json") || holds("svtune_state.safetensors");
  if (!adapter || holds("config.json")) return;
  throw FileError(path.string(), "is an adapter, need a model directory",
                  "Give it as --adapter, and the model that it belongs to as --model.");
}

}  // namespace

void require_model_path(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return;
  if (!std::filesystem::is_directory(path)) refuse_path(path);
  refuse_run_or_adapter(path);
}

Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
  Model model;
  model.path = path;
  open_source(model);
  model.prompt = read_trained_prompt(path);
  if (!options.layer_replication.empty()) repeat_layers(model, options.layer_replication);
  if (options.head) make_head(model, *options.head);
  if (options.vocab_size) resize_words(model, *options.vocab_size);
  ArchSpec spec = parse_arch(model.config, (path / "config.json").string());
  if (!options.layer_replication.empty()) {
    require_repeatable(spec, (path / "config.json").string());
  }
  if (options.any_image_size && spec.image) spec.image->any_size = true;
  if (spec.image) model.preprocessor = read_preprocessor(path);
  // GGUF files hold all matrices as [out, in].
  if (path.extension() != ".gguf") model.weights = untransposed(std::move(model.weights), spec);
  Arithmetic arithmetic = arithmetic_for(spec, model.weights->stored_dtype(), options.dtype);
  model.arithmetic = std::move(arithmetic.reason);
  model.stored_names = std::make_shared<const StoredNames>(model.weights->names(), spec);
  CheckedLoader loader(*model.weights, *model.stored_names, arithmetic.compute,
                       options.check_finite);
  WeightLoader load([&](const std::string& name,
                        const std::vector<std::int64_t>& shape) { return loader(name, shape); },
                    [&](const std::string& name, std::int64_t out, std::int64_t in) {
                      return loader.matrix(name, out, in);
                    });
  load.compute = arithmetic.compute;
  load.differs = [&](const std::string& name, const std::string& other) {
    return loader.differs(name, other);
  };
  model.net = std::make_unique<Network>(spec, load);
  loader.finish();
  tell_unused(model, loader.unused());
  return model;
}

bool Model::is_made(const Linear& layer) const {
  return std::ranges::count(made, layer.name() + ".weight") > 0;
}

std::uint64_t Model::fingerprint() const {
  Hasher64 hasher;
  for (Linear* layer : net->linears()) {
    hasher.update(layer->name());
    hasher.update(base_hash(*this, layer->name() + ".weight"));
  }
  return hasher.digest();
}

DeclaredWords stored_words(const std::filesystem::path& path, const std::optional<NewHead>& head) {
  Model model;
  model.path = path;
  open_source(model);
  const std::string source = (path / "config.json").string();
  if (head) model.config = with_head(std::move(model.config), *head, source);
  return declared_words(model.config, source);
}

std::uint64_t model_hash(const std::filesystem::path& path) {
  Model model;
  model.path = path;
  open_source(model);
  // Where a model came from and who wrote it changes nothing that is computed.
  for (const char* key : {"_name_or_path", "transformers_version"}) model.config.erase(key);
  Hasher64 hasher;
  hasher.update(dump_json(model.config, {.sort_keys = true}));
  std::vector<std::string> names = model.weights->names();
  std::ranges::sort(names);
  for (const std::string& name : names) {
    hasher.update(name + " " + hex64(model.weights->hash(name)) + "\n");
    model.weights->release(name);
  }
  return hasher.digest();
}

std::string dtype_text(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "fp32";
    case at::kBFloat16:
      return "bf16";
    case at::kHalf:
      return "fp16";
    case at::kDouble:
      return "fp64";
    default:
      return at::toString(dtype);
  }
}

}  // namespace svtune
