#include "cli/inspect_command.h"

#include <filesystem>
#include <vector>

#include "adapter_files/peft_directory.h"
#include "adapter_files/side_file.h"
#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "formats/tensor_listing.h"
#include "formats/torch_file.h"
#include "io/new_head.h"
#include "models/families.h"
#include "report/metrics_log.h"

namespace svtune {
namespace {

void print_tensors(const std::vector<StoredTensor>& tensors, bool all, std::ostream& out) {
  if (all) {
    for (const StoredTensor& each : tensors) {
      out << "  " << each.name << "  " << each.dtype << " " << shape_text(each.shape) << "\n";
    }
  }
  const TensorTotals total = total_of(tensors);
  out << tensors.size() << " tensors, " << format_count(total.values) << " values, "
      << format_bytes(total.bytes) << "\n";
  for (const auto& [dtype, share] : totals_by_dtype(tensors)) {
    out << "  " << dtype << ": " << format_count(share.values) << " values, "
        << format_bytes(share.bytes) << "\n";
  }
}

bool is_true(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && *found == Json(true);
}

void print_quantisation(const Json& config, const std::vector<StoredTensor>& tensors,
                        std::ostream& out) {
  const QuantisedTotals total = quantised_totals(tensors);
  if (total.matrices == 0) return;
  const Json quantization = config.value("quantization_config", Json::object());
  const bool eight = is_true(quantization, "load_in_8bit");
  out << "Quantised: " << total.matrices << " matrices of " << format_count(total.weights)
      << " weights, ";
  if (eight) {
    out << "int8 by row";
  } else {
    const auto type = quantization.find("bnb_4bit_quant_type");
    const bool named = type != quantization.end() && type->is_string();
    out << (named ? type->get<std::string>() : "4 bits") << " in blocks of " << total.block_size();
    if (is_true(quantization, "bnb_4bit_use_double_quant")) out << ", scales in 8 bits";
  }
  out << ", " << fixed(total.bits_per_weight(), 2) << " bits per weight\n";
}

void print_arch(const ArchSpec& spec, std::ostream& out) {
  out << "Family " << spec.family << ", " << spec.num_layers << " layers, hidden "
      << spec.hidden_size << ", inner " << spec.intermediate_size << ", " << spec.num_heads
      << " heads of " << spec.head_dim << " (" << spec.num_kv_heads << " for keys), ";
  if (spec.image) {
    out << "images " << spec.image->height << " x " << spec.image->width << " in squares of "
        << spec.image->patch << ", ";
  } else {
    out << "vocabulary " << spec.vocab_size << ", ";
  }
  out << spec.max_positions << " positions" << (spec.tied_head ? ", tied head" : "") << "\n";
}

void inspect_gguf(const InspectOptions& options, std::ostream& out) {
  const GgufFile file(options.path);
  out << "GGUF version " << file.version() << ", architecture "
      << file.string("general.architecture").value_or("unknown") << ", " << file.metadata().size()
      << " metadata keys";
  if (file.part_count() > 1) out << ", split over " << file.part_count() << " files";
  out << "\n";
  print_tensors(list_tensors(file), options.tensors, out);
}

void inspect_model(const InspectOptions& options, std::ostream& out) {
  const std::filesystem::path config = options.path / "config.json";
  const Json json = read_json_file(config);
  // The sizes of a bare encoder are those below any head.
  const bool bare = is_bare(json);
  print_arch(parse_arch(bare ? with_head(json, {}, config.string()) : json, config.string()), out);
  if (bare) out << "No head: train --task classify, regress or tag gives it one\n";
  const std::vector<StoredTensor> tensors = list_tensors(CheckpointFiles(options.path));
  print_tensors(tensors, options.tensors, out);
  print_quantisation(json, tensors, out);
}

// PEFT has no configuration of some methods.
void print_peft_config(const std::filesystem::path& file, std::ostream& out) {
  if (!std::filesystem::exists(file)) return;
  const Json config = read_json_object(file);
  const auto text = [&](const char* key) {
    return config.contains(key) ? dump_json(config.at(key)) : std::string("-");
  };
  out << "Adapter " << text("peft_type") << ", rank " << text("r") << ", alpha "
      << text("lora_alpha") << ", rsLoRA " << text("use_rslora") << "\nTargets "
      << text("target_modules");
  const Json parameters = config.value("target_parameters", Json());
  if (!parameters.empty()) out << " and parameters " << dump_json(parameters);
  out << "\nBase " << text("base_model_name_or_path") << "\n";
}

void inspect_adapter(const InspectOptions& options, std::ostream& out) {
  print_peft_config(options.path / kPeftConfigFile, out);
  if (std::filesystem::exists(options.path / "svtune.json")) {
    const Json side = read_json_object(options.path / "svtune.json");
    if (side.contains("options"))
      out << "Made by svtune: " << dump_json(side.at("options")) << "\n";
    if (is_true(side, "needs_its_base")) out << "Of use with exactly this base only\n";
  }
  for (const std::filesystem::path& file :
       {peft_weights_file(options.path), options.path / kStateFile}) {
    if (!std::filesystem::exists(file)) continue;
    out << file.filename().string() << ": ";
    print_tensors(list_tensors(CheckpointFiles(file)), options.tensors, out);
  }
}

void inspect_run(const InspectOptions& options, std::ostream& out) {
  const Json config = read_json_object(options.path / "config.json");
  out << "Run of " << dump_json(config.value("method", Json())) << " on "
      << dump_json(config.value("model", Json())) << " with "
      << dump_json(config.value("data", Json())) << "\n";
  const MetricsFile metrics = read_metrics(options.path / "metrics.jsonl");
  if (!metrics.points.empty()) {
    const MetricPoint& last = metrics.points.back();
    out << "Step " << last.step;
    if (last.loss) out << ", loss " << *last.loss;
    if (last.tokens)
      out << ", " << format_count(static_cast<std::uint64_t>(*last.tokens)) << " tokens";
    out << "\n";
  }
  for (const char* part : {"adapter", "model"}) {
    if (std::filesystem::exists(options.path / part)) out << "Result in " << part << "/\n";
  }
}

}  // namespace

int run(const InspectOptions& options, CommandContext& context) {
  const std::filesystem::path& path = options.path;
  if (!std::filesystem::exists(path)) {
    throw FileError(path.string(), "no such file or directory", "check the spelling of the path");
  }
  if (options.spectrum) return inspect_spectrum(path, options.tensors, options.drawing, context);
  if (!options.compare.empty()) {
    return inspect_compare(path, options.compare, options.tensors, options.drawing,
                           options.comparison, context);
  }
  if (path.extension() == ".gguf") {
    inspect_gguf(options, context.out);
  } else if (path.extension() == ".safetensors" || is_torch_file_name(path)) {
    print_tensors(list_tensors(CheckpointFiles(path)), options.tensors, context.out);
  } else if (std::filesystem::exists(path / "adapter_config.json") ||
             std::filesystem::exists(path / "svtune_state.safetensors")) {
    inspect_adapter(options, context.out);
  } else if (std::filesystem::exists(path / "metrics.jsonl")) {
    inspect_run(options, context.out);
  } else if (std::filesystem::exists(path / "config.json")) {
    inspect_model(options, context.out);
  } else {
    throw FileError(
        path.string(), "is no model, GGUF file, adapter or run",
        "A model has config.json, an adapter adapter_config.json, a run metrics.jsonl.");
  }
  return 0;
}

}  // namespace svtune
