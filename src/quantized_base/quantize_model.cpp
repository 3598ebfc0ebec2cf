#include "quantized_base/quantize_model.h"

#include <algorithm>
#include <set>

#include "adapter_files/adapter_file.h"
#include "attach/attach.h"
#include "attach/target_check.h"
#include "attach/train_plan.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/hash.h"
#include "base/text_util.h"
#include "formats/checkpoint_writer.h"
#include "io/base_tensors.h"
#include "io/companion_files.h"
#include "io/preprocessor_file.h"
#include "io/quantized_source.h"
#include "libtorch/prelude.h"
#include "linalg/parallel.h"
#include "linalg/weight_errors.h"
#include "quant/error_norms.h"
#include "quant/rank_budget.h"

namespace svtune {
namespace {

// One linear layer on its way: what is asked of it, and what came out.
struct Task {
  const Linear* layer = nullptr;
  std::optional<LowRankShape> low_rank;
  std::optional<LowRankQuant> result;
  QuantizedLayer report;
};

std::vector<Task> plan_tasks(Model& model, const QuantizePlan& plan) {
  Network& net = *model.net;
  const std::vector<std::string> dense = dense_modules(model);
  std::set<std::string> adapted;
  if (plan.start != QuantStart::kNone) {
    check_every_target(net, plan.targets, plan.trained(plan.low_rank));
    const TargetSelection selection = select_targets(net, plan.targets);
    adapted.insert(selection.adapted.begin(), selection.adapted.end());
    if (selection.embedding || adapted.contains(net.head().name())) {
      throw UsageError("the embedding and the output head stay unquantised and cannot be targets",
                       "Leave " + last_part(net.embedding().name()) + " and " + net.head().name() +
                           " out of the targets.");
    }
  }
  std::vector<Task> tasks;
  for (const Linear* layer : net.linears()) {
    if (layer == &net.head() || stays_dense(*layer, dense)) continue;
    if (layer->base().quantized()) {
      throw ModelError(layer->name() + ": the weights are quantised already",
                       "Give the original model, in 16 or 32 bits.");
    }
    Task task{layer, std::nullopt, std::nullopt, {}};
    task.report.name = layer->name();
    task.report.out_features = layer->out_features();
    task.report.in_features = layer->in_features();
    if (adapted.contains(layer->name())) {
      task.low_rank = low_rank_shape(plan.low_rank, {layer->name(), layer->base(), 0});
      task.report.rank = task.low_rank->rank;
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

// Replaces the common rank by one per layer, which the adapter's files name.
void spread_ranks(std::vector<Task>& tasks, QuantizePlan& plan) {
  if (!plan.low_rank.rank_pattern.empty()) {
    throw UsageError("--quant-spread-ranks chooses the ranks that --rank-pattern gives",
                     "Leave out one of the two.");
  }
  std::vector<Task*> adapted;
  for (Task& task : tasks) {
    if (task.low_rank) adapted.push_back(&task);
  }
  std::vector<LayerSpectrum> spectra(adapted.size());
  for_each_matrix(static_cast<std::int64_t>(adapted.size()), [&](std::int64_t i) {
    const Linear& layer = *adapted[static_cast<std::size_t>(i)]->layer;
    at::Tensor sigma = with_weight_name(
        layer.name(), [&] { return singular_values(layer.base().dense_high_precision()); });
    sigma = sigma / sigma.norm().clamp_min(1e-300);
    const double* values = sigma.const_data_ptr<double>();
    spectra[static_cast<std::size_t>(i)] = {
        layer.out_features(), layer.in_features(), {values, values + sigma.numel()}};
  });
  const std::vector<std::int64_t> ranks = allocate_ranks(spectra, plan.low_rank.rank);
  for (std::size_t i = 0; i < adapted.size(); ++i) {
    Task& task = *adapted[i];
    plan.low_rank.rank_pattern[task.layer->name()] = std::max<std::int64_t>(1, ranks[i]);
    task.low_rank = low_rank_shape(plan.low_rank, {task.layer->name(), task.layer->base(), 0});
    task.report.rank = task.low_rank->rank;
  }
}

void quantize_layer(Task& task, const QuantizePlan& plan, at::ScalarType stored) {
  LowRankQuantOptions options;
  options.start = task.low_rank ? plan.start : QuantStart::kNone;
  options.rank = task.low_rank ? task.low_rank->rank : 1;
  options.iterations = plan.tuning.iters;
  options.quant = quant_config(plan.type, plan.tuning);
  options.keep_best = plan.tuning.best_round;
  options.refit = plan.tuning.refit;
  if (!plan.tuning.extrapolate) options.momentum = 0;
  options.seed = derive_seed(plan.seed, "quantize", task.layer->name());
  task.result = with_weight_name(task.layer->name(), [&] {
    return quantize_with_low_rank(task.layer->base().dense(), options);
  });
  // The model may have been loaded in another dtype; files name the one that it is stored in.
  QuantStorage storage = task.result->quantized.storage();
  storage.original_dtype = stored;
  task.result->quantized = QuantizedMatrix(std::move(storage));
  task.report.rounds = task.result->errors;
  task.report.bits_per_weight = task.result->quantized.bits_per_weight();
}

void measure_layer(Task& task, const QuantizePlan& plan, bool nuclear) {
  const at::Tensor weight = task.layer->base().dense_high_precision().to(at::kFloat);
  at::Tensor rest = weight - task.result->quantized.dequantize(at::kFloat);
  if (task.low_rank) rest.addmm_(task.result->up, task.result->down, 1, -1);
  const QuantConfig config = quant_config(plan.type, plan.tuning);
  const at::Tensor plain = weight - quantize(weight, {config.type, config.block_size,
                                                      ScaleChoice::kAbsmax, config.double_quant})
                                        .dequantize(at::kFloat);
  QuantizedLayer& report = task.report;
  report.frobenius = frobenius_norm(rest);
  report.plain_frobenius = frobenius_norm(plain);
  if (!nuclear) return;
  report.nuclear = nuclear_norm(rest);
  report.plain_nuclear = nuclear_norm(plain);
}

void for_each_task(std::vector<Task>& tasks, const QuantizeOptions& options,
                   const std::function<void(Task&)>& work) {
  for_each_matrix(
      static_cast<std::int64_t>(tasks.size()),
      [&](std::int64_t i) { work(tasks[static_cast<std::size_t>(i)]); }, options.progress);
}

std::vector<NamedTensor> tensors_of_base(const Model& model, const std::vector<Task>& tasks) {
  const at::ScalarType most = model.weights->stored_dtype();
  std::vector<NamedTensor> list;
  const auto add = [&](const std::string& name) {
    const at::ScalarType dtype = kept_dtype(model, name, most);
    list.push_back({name, base_tensor(model, name, dtype).contiguous()});
  };
  for (const NamedParameter& each : model.net->parameters()) add(each.name);
  const std::vector<std::string> dense = dense_modules(model);
  for (const Linear* layer : model.net->linears()) {
    const bool head = layer == &model.net->head();
    if (head ? model.net->head_is_tied() : !stays_dense(*layer, dense)) continue;
    add(layer->name() + ".weight");
  }
  for (const Task& task : tasks) {
    for (NamedTensor& each :
         quantized_tensors(task.layer->name() + ".weight", task.result->quantized)) {
      list.push_back({std::move(each.name), each.tensor.contiguous()});
    }
  }
  return list;
}

std::uint64_t write_checkpoint(const std::vector<NamedTensor>& tensors,
                               const std::filesystem::path& directory) {
  std::vector<TensorSpec> specs;
  std::map<std::string, at::Tensor> by_name;
  std::uint64_t bytes = 0;
  for (const NamedTensor& each : tensors) {
    specs.push_back({each.name, dtype_of(each.tensor.scalar_type()), each.tensor.sizes().vec()});
    by_name[each.name] = each.tensor;
    bytes += each.tensor.nbytes();
  }
  CheckpointWriter writer(directory, specs);
  for (const TensorSpec& each : writer.order()) {
    const at::Tensor& tensor = by_name.at(each.name);
    writer.write(each.name,
                 {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  }
  writer.commit();
  return bytes;
}

std::uint64_t write_base(const Model& model, const std::vector<Task>& tasks,
                         const std::filesystem::path& directory) {
  std::filesystem::create_directory(directory);
  const std::uint64_t bytes = write_checkpoint(tensors_of_base(model, tasks), directory);
  const Linear& head = model.net->head();
  const std::vector<std::string> whole = dense_modules(model);
  std::vector<std::string> dense = {head.name()};
  for (const Linear* layer : model.net->linears()) {
    if (layer != &head && stays_dense(*layer, whole)) dense.push_back(layer->name());
  }
  Json config = model.config;
  config["quantization_config"] =
      quantization_config(tasks.front().result->quantized, model.weights->stored_dtype(), dense);
  write_file_atomic(directory / "config.json",
                    dump_json(config, {.indent = 2, .sort_keys = true, .final_newline = true}));
  copy_companion_files(model.path, directory);
  write_preprocessor(directory, model.preprocessor);  // which may lie in another file there
  return bytes;
}

// The factors as an adapter on the base just written: saved by the code that saves any adapter.
void write_adapter(const Model& model, const std::vector<Task>& tasks, const QuantizePlan& plan,
                   const std::filesystem::path& staging, const std::filesystem::path& directory) {
  Model base = load_model(staging / "base");
  base.made = model.made;
  base.path = directory / "base";  // where it will lie
  std::map<std::string, LowRankDelta> starts;
  for (const Task& task : tasks) {
    if (task.low_rank) starts[task.layer->name()] = {task.result->down, task.result->up, 1.0};
  }
  Attached attached = attach(base, plan.trained(plan.low_rank), plan.targets,
                             {.seed = plan.seed, .starts = &starts});
  for (const Task& task : tasks) {
    if (!task.low_rank) continue;
    attached.record.layers[task.layer->name()]["rounds"] = task.report.rounds;
  }
  attached.adapters.refresh();
  attached.record.needs_its_base = true;
  save_adapter(base, attached.adapters, attached.record, staging / "adapter");
}

}  // namespace

std::vector<std::string> dense_modules(const Model& model) {
  return with_own_modules(model, {}).modules_to_save;
}

bool stays_dense(const Linear& layer, const std::vector<std::string>& modules) {
  return std::ranges::any_of(modules, [&](const std::string& module) {
    return is_below_module(layer.name() + ".weight", module);
  });
}

QuantConfig quant_config(QuantType type, const QuantTuning& tuning) {
  if ((tuning.block_size & (tuning.block_size - 1)) != 0) {
    throw UsageError("--quant-block-size " + std::to_string(tuning.block_size) +
                     " is no power of two");
  }
  if (type == QuantType::kInt8) {
    if (tuning.double_quant || tuning.scales) {
      throw UsageError("--double-quant and --quant-scales belong to 4-bit types, not to int8");
    }
    return {.type = type};
  }
  if (tuning.double_quant && tuning.scales == ScaleChoice::kSigned) {
    throw UsageError("--quant-scales signed does not go with --double-quant",
                     "Scales of two signs do not fit 8 bits well; choose search or absmax.");
  }
  const ScaleChoice best = tuning.double_quant ? ScaleChoice::kSearch : ScaleChoice::kSigned;
  return {type, tuning.block_size, tuning.scales.value_or(best), tuning.double_quant};
}

QuantizeReport quantize_model(Model& model, const QuantizePlan& given,
                              const std::filesystem::path& directory,
                              const QuantizeOptions& options) {
  const at::NoGradGuard no_grad;
  QuantizePlan plan = given;
  plan.targets = or_all_linear(std::move(plan.targets));
  quant_config(plan.type, plan.tuning);
  std::vector<Task> tasks = plan_tasks(model, plan);
  const at::ScalarType stored = model.weights->stored_dtype();
  AtomicDirectory output(directory, options.if_exists);
  const double start = steady_seconds();
  if (plan.tuning.spread_ranks) spread_ranks(tasks, plan);
  for_each_task(tasks, options, [&](Task& task) { quantize_layer(task, plan, stored); });
  QuantizeReport report;
  report.seconds = steady_seconds() - start;
  if (options.measure) {
    for_each_task(tasks, {},
                  [&](Task& task) { measure_layer(task, plan, options.measure_nuclear); });
  }
  report.has_adapter = plan.start != QuantStart::kNone;
  report.bytes = write_base(model, tasks, output.staging() / "base");
  if (report.has_adapter) write_adapter(model, tasks, plan, output.staging(), directory);
  for (Task& task : tasks) report.layers.push_back(std::move(task.report));
  output.commit();
  return report;
}

}  // namespace svtune
