// A model as loaded from disk: the network, its configuration and where it came from.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "data/trained_prompt.h"
#include "formats/layer_ranges.h"
#include "io/declared_words.h"
#include "io/new_head.h"
#include "models/network.h"

namespace svtune {

class StoredNames;

struct LoadOptions {
  // Compute dtype: kFloat or kBFloat16 (kDouble in tests). Default: what io/arithmetic.h chooses.
  // Matrices in bf16 or fp16 stay as they are stored under fp32.
  std::optional<at::ScalarType> dtype;
  // Refuse weights that hold NaN or infinity (one pass over all bytes).
  bool check_finite = false;
  // Number of words instead of the stored one: added rows of the embedding and the head are the
  // mean of the stored ones.
  std::optional<std::int64_t> vocab_size = {};
  // Of an encoder or an image model: a head with so many labels, or one that finds hidden words.
  // What the checkpoint lacks is made at random, and so is the output of a stored head with another
  // number of labels, with a warning.
  std::optional<NewHead> head = {};
  // Of an image model whose positions are those of one size: interpolate them for other sizes.
  bool any_image_size = false;
  // Blocks of the checkpoint in this order, some of them again (io/repeated_layers.h); empty: as
  // they are.
  LayerRanges layer_replication = {};
};

// Where the weights of a model come from: safetensors, PyTorch's files or GGUF.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // nullopt when the checkpoint has no such tensor. The tensor has the stored shape; it is a
  // view of the mapped file when its dtype equals `dtype`, else a converted copy.
  // A quantised weight is dequantised.
  virtual std::optional<at::Tensor> read(const std::string& name, at::ScalarType dtype) const = 0;
  // The matrix as stored where the checkpoint holds it quantised, else null.
  virtual std::shared_ptr<const QuantizedMatrix> read_quantized(const std::string& name) const {
    (void)name;
    return nullptr;
  }
  // The dtype in which read() can give the tensor without a copy; nullopt where it always copies,
  // and for absent ones.
  virtual std::optional<at::ScalarType> dtype(const std::string& name) const {
    (void)name;
    return std::nullopt;
  }
  // The dtype that one tensor's values are stored in; nullopt for quantised and absent ones.
  virtual std::optional<at::ScalarType> value_dtype(const std::string& name) const {
    return dtype(name);
  }
  // The file that holds the tensor; for one that is missing, the one that should name it.
  virtual std::filesystem::path place_of(const std::string& name) const = 0;
  virtual std::vector<std::string> names() const = 0;
  // The dtype most weights are stored in; before quantisation for bitsandbytes' layout, kFloat
  // for GGUF's.
  virtual at::ScalarType stored_dtype() const = 0;
  // Hash of the stored bytes of one tensor; ties an adapter to its base.
  virtual std::uint64_t hash(const std::string& name) const = 0;
  // Lets the system drop the pages of a weight that is not needed any more; views stay valid.
  virtual void release(const std::string& name) const { (void)name; }
};

struct Model {
  std::filesystem::path path;  // the directory or .gguf file
  Json config;                 // config.json
  std::shared_ptr<const WeightSource> weights;
  std::shared_ptr<const StoredNames> stored_names;  // of `weights`; null without a checkpoint
  std::unique_ptr<Network> net;
  std::optional<TrainedPrompt> prompt;  // when a training run says how it wrote prompts
  Json preprocessor;  // of images (io/preprocessor_file.h); null: the model's files say nothing
  std::string arithmetic;             // what is stored and computed in, and why; one line
  std::vector<std::string> warnings;  // e.g. tensors of the file that the model does not use
  std::int64_t added_words = 0;       // of LoadOptions::vocab_size, beyond the stored ones
  // Tensors of LoadOptions::head that are new and must be trained, full names: a bias of words is 0
  // and may stay so.
  std::vector<std::string> made;
  LayerRanges layer_replication;  // of LoadOptions

  // Whether the weight of a linear layer is one of `made`, and says nothing of the checkpoint.
  bool is_made(const Linear& layer) const;
  const ArchSpec& spec() const { return net->spec(); }
  at::ScalarType dtype() const { return net->dtype(); }
  // Identity of the whole base: a hash over the stored bytes of all linear weights (reads
  // every byte once).
  std::uint64_t fingerprint() const;
};

// Throws FileError unless `path` names a .gguf file or is a directory that is neither a run nor an
// adapter.
void require_model_path(const std::filesystem::path& path);

// `path`: a Hugging Face model directory or a .gguf file. Weights of matching dtype are
// mapped, not copied. Throws FileError listing all missing or misshapen tensors, unsupported config
// keys, malformed files. Tensors that the model has no place for are named in Model::warnings.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});

// The words that the model at `path` is stored with; `head` as LoadOptions has it. Throws FileError
// as load_model does.
DeclaredWords stored_words(const std::filesystem::path& path,
                           const std::optional<NewHead>& head = {});

// Identity of the model at `path`, wherever it lies and however it is sharded: a hash over its
// configuration and the stored bytes of all tensors. Reads every byte once and keeps none in
// memory. Throws FileError as load_model does.
std::uint64_t model_hash(const std::filesystem::path& path);

// "fp32" | "bf16" ... of a dtype, for messages and files.
std::string dtype_text(at::ScalarType dtype);

}  // namespace svtune
