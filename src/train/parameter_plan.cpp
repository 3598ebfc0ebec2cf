#include "train/parameter_plan.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "attach/target_check.h"
#include "base/errors.h"
#include "data/label_set.h"
#include "io/arithmetic.h"
#include "io/new_head.h"
#include "libtorch/prelude.h"
#include "models/families.h"
#include "nn/narrow_product.h"
#include "train/memory_plan.h"
#include "train/quantize_plan.h"
#include "train/session_data.h"

namespace svtune {
namespace {

// Stands for files that are not there.
class DeclaredWeights final : public WeightSource {
 public:
  explicit DeclaredWeights(at::ScalarType dtype) : dtype_(dtype) {}
  std::optional<at::Tensor> read(const std::string&, at::ScalarType) const override { return {}; }
  std::filesystem::path place_of(const std::string&) const override { return {}; }
  std::vector<std::string> names() const override { return {}; }
  at::ScalarType stored_dtype() const override { return dtype_; }
  std::uint64_t hash(const std::string&) const override { return 0; }

 private:
  at::ScalarType dtype_;
};

// Older files call it torch_dtype.
at::ScalarType stored_dtype(const Json& config) {
  for (const char* key : {"dtype", "torch_dtype"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_string()) continue;
    const std::string name = found->get<std::string>();
    if (name == "bfloat16") return at::kBFloat16;
    if (name == "float16") return at::kHalf;
  }
  return at::kFloat;
}

// What config.json says of the model that learns the task.
Json config_for_task(const Json& config, const std::string& source,
                     const ParameterPlanOptions& options) {
  const HeadTask task = rules_of(options.task).head;
  if (task == HeadTask::kNextToken) return config;
  NewHead head{.task = task};
  if (options.task == TrainTask::kRegress) head.labels = 1;
  if (options.task == TrainTask::kClassify || options.task == TrainTask::kTag) {
    head.names = options.labels.empty() ? id2label_names(config) : given_labels(options.labels);
    head.labels = static_cast<std::int64_t>(head.names.size());
    if (head.labels < 2) {
      throw UsageError("--task " + std::string(enum_name(options.task)) +
                           " needs two classes or more, got " + std::to_string(head.labels) +
                           (options.labels.empty() ? " of id2label in " + source : " of --labels"),
                       "Name them with --labels.");
    }
    // Refuses a name that is empty or given twice, as training does.
    if (!options.labels.empty()) static_cast<void>(LabelSet(head.names));
  }
  return with_head(config, head, source);
}

Model declared_model(const Json& config, const std::string& source,
                     const std::optional<at::ScalarType>& asked) {
  Model model;
  model.config = config;
  const at::ScalarType stored = stored_dtype(config);
  model.weights = std::make_shared<DeclaredWeights>(stored);
  const ArchSpec spec = parse_arch(config, source);
  Arithmetic arithmetic = arithmetic_for(spec, stored, asked);
  const at::ScalarType compute = arithmetic.compute;
  model.arithmetic = std::move(arithmetic.reason);
  const auto shape_only = [=](const std::vector<std::int64_t>& shape) {
    const bool narrow = shape.size() == 2 && is_narrower(stored, compute);
    return at::empty(shape, at::TensorOptions().dtype(narrow ? stored : compute).device(at::kMeta));
  };
  WeightLoader load(
      [&](const std::string&, const std::vector<std::int64_t>& shape) { return shape_only(shape); },
      [&](const std::string&, std::int64_t out, std::int64_t in) {
        return BaseWeight(shape_only({out, in}), compute);
      });
  load.compute = compute;
  model.net = std::make_unique<Network>(spec, load);
  return model;
}

// Mapped matrices that no product of the adapted model reads take no memory; copies and rounded
// ones are not mapped.
std::uint64_t unread_bytes(Model& model, const ParameterPlanOptions& options) {
  if (options.base_dtype) return 0;
  const at::ScalarType mapped = model.weights->stored_dtype();
  const bool in_int8 = options.base_compute != BaseCompute::kExact;
  std::uint64_t bytes = 0;
  for (const Linear* layer : model.net->linears()) {
    const BaseWeight& base = layer->base();
    if (!base.defined() || base.stored().scalar_type() != mapped) continue;
    const Adapter* adapter = layer->adapter();
    const bool replaced = adapter && !adapter->memory(options.batch_tokens).reads_base;
    const bool as_int8 = in_int8 && layer != &model.net->head();
    if (replaced || as_int8) bytes += static_cast<std::uint64_t>(base.nbytes());
  }
  return bytes;
}

MemoryChoice forecast(Model& model, const AdapterSet& adapters, const TrainOptions& training,
                      const ParameterPlanOptions& options) {
  Network& net = *model.net;
  MemoryRequest request;
  request.weight_bytes =
      frozen_matrix_bytes(net, training, dense_modules(model)) - unread_bytes(model, options);
  request.weight_bytes += input_bytes(net);
  request.batch_tokens = options.batch_tokens;
  request.longest_document = std::min(options.max_length, options.batch_tokens);
  request.dropout = chosen_dropout(options.model_dropout, net.spec().dropout);
  add_adapters(request, net, adapters);
  ActivationOptions activations = options.activations;
  return choose_memory(net, std::move(request), activations);
}

}  // namespace

ParameterPlan plan_parameters(const Json& config, const std::string& source,
                              const MethodConfig& method, const TargetOptions& targets,
                              const ParameterPlanOptions& options) {
  TrainOptions training;
  training.method = method;
  training.model.base_dtype = options.base_dtype;
  training.model.base_compute = options.base_compute;
  static_cast<BlockTuning&>(training.tuning) = options.tuning;
  if (!options.base_dtype) check_method_dense_start(method);
  check_base_compute(options.base_compute, method);
  const MethodConfig trained = trained_method(training);
  Model model = declared_model(config_for_task(config, source, options), source, options.dtype);
  model.arithmetic += arithmetic_additions(
      options.base_compute, chosen_dropout(options.model_dropout, model.spec().dropout));
  const bool everything = method_traits(method).trains_matrix && targets == TargetOptions{};
  const TargetOptions chosen = everything ? targets : or_all_linear(targets);
  if (!everything) check_every_target(*model.net, chosen, method);
  Attached attached = attach(model, trained, chosen, {.initialise = false, .shapes_only = true});
  MemoryChoice memory = forecast(model, attached.adapters, training, options);
  return {std::move(attached.report), std::move(memory.forecast), std::move(model.arithmetic),
          std::move(memory.text)};
}

}  // namespace svtune
