#include "cli/inspect_command.h"

#include <bit>
#include <map>
#include <vector>

#include "base/errors.h"
#include "base/number_text.h"
#include "base/text_util.h"
#include "formats/checkpoint_files.h"
#include "formats/gguf.h"
#include "models/families.h"
#include "report/metrics_log.h"

namespace svtune {
namespace {

struct TensorLine {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
};

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

void print_tensors(const std::vector<TensorLine>& tensors, bool all, std::ostream& out) {
  std::map<std::string, std::pair<std::int64_t, std::uint64_t>> by_dtype;
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;
  for (const TensorLine& each : tensors) {
    by_dtype[each.dtype].first += elements(each.shape);
    by_dtype[each.dtype].second += each.bytes;
    parameters += elements(each.shape);
    bytes += each.bytes;
    if (all)
      out << "  " << each.name << "  " << each.dtype << " " << shape_text(each.shape) << "\n";
  }
  out << tensors.size() << " tensors, " << format_count(parameters) << " values, "
      << format_bytes(bytes) << "\n";
  for (const auto& [dtype, share] : by_dtype) {
    out << "  " << dtype << ": " << format_count(share.first) << " values, "
        << format_bytes(share.second) << "\n";
  }
}

std::vector<TensorLine> lines_of(const CheckpointFiles& files) {
  std::vector<TensorLine> lines;
  for (const auto& [name, entry] : files.entries()) {
    lines.push_back({name, std::string(dtype_name(entry.info->dtype)), entry.info->shape,
                     entry.info->byte_size()});
  }
  return lines;
}

// What matrices in bitsandbytes' layout hold: a scale beside each, and codes that are no weights.
struct QuantisedWeights {
  std::int64_t matrices = 0, weights = 0, scales = 0;
  std::uint64_t bytes = 0;
};

QuantisedWeights count_quantised(const std::vector<TensorLine>& tensors) {
  std::map<std::string, const TensorLine*> by_name;
  for (const TensorLine& each : tensors) by_name[each.name] = &each;
  QuantisedWeights total;
  for (const auto& [name, scales] : by_name) {
    const bool eight = name.ends_with(".SCB");
    if (!eight && !name.ends_with(".weight.absmax")) continue;
    const std::string layer = name.substr(0, name.size() - (eight ? 4 : 14));
    const auto codes = by_name.find(layer + ".weight");
    if (codes == by_name.end()) continue;
    ++total.matrices;
    total.weights += elements(codes->second->shape) * (eight ? 1 : 2);
    total.scales += elements(scales->shape);
    total.bytes += codes->second->bytes + (eight ? scales->bytes : 0);
    for (auto part = by_name.upper_bound(layer + ".weight.");
         part != by_name.end() && part->first.starts_with(layer + ".weight."); ++part) {
      total.bytes += part->second->bytes;
    }
  }
  return total;
}

void print_quantisation(const Json& config, const std::vector<TensorLine>& tensors,
                        std::ostream& out) {
  const QuantisedWeights total = count_quantised(tensors);
  if (total.matrices == 0) return;
  const Json& quantization = config.value("quantization_config", Json::object());
  const bool eight = quantization.value("load_in_8bit", false);
  out << "Quantised: " << total.matrices << " matrices of "
      << format_count(static_cast<std::uint64_t>(total.weights)) << " weights, ";
  if (eight) {
    out << "int8 by row";
  } else {
    out << quantization.value("bnb_4bit_quant_type", std::string("4 bits")) << " in blocks of "
        << std::bit_ceil(static_cast<std::uint64_t>(total.weights / total.scales));
    if (quantization.value("bnb_4bit_use_double_quant", false)) out << ", scales in 8 bits";
  }
  const double bits = 8 * static_cast<double>(total.bytes) / static_cast<double>(total.weights);
  out << ", " << fixed(bits, 2) << " bits per weight\n";
}

void print_arch(const ArchSpec& spec, std::ostream& out) {
  out << "Family " << spec.family << ", " << spec.num_layers << " layers, hidden "
      << spec.hidden_size << ", inner " << spec.intermediate_size << ", " << spec.num_heads
      << " heads of " << spec.head_dim << " (" << spec.num_kv_heads << " for keys), vocabulary "
      << spec.vocab_size << ", " << spec.max_positions << " positions"
      << (spec.tied_head ? ", tied head" : "") << "\n";
}

void inspect_gguf(const InspectOptions& options, std::ostream& out) {
  const GgufFile file(options.path);
  out << "GGUF version " << file.version() << ", architecture "
      << file.string("general.architecture").value_or("unknown") << ", " << file.metadata().size()
      << " metadata keys";
  if (file.part_count() > 1) out << ", split over " << file.part_count() << " files";
  out << "\n";
  std::vector<TensorLine> lines;
  for (const GgufTensorInfo& info : file.tensors()) {
    const GgufTypeTraits* traits = gguf_type_traits(info.type);
    lines.push_back(
        {info.name, traits ? std::string(traits->name) : "unknown", info.shape, info.bytes});
  }
  print_tensors(lines, options.tensors, out);
}

void inspect_model(const InspectOptions& options, std::ostream& out) {
  const std::filesystem::path config = options.path / "config.json";
  const Json json = read_json_file(config);
  print_arch(parse_arch(json, config.string()), out);
  const std::vector<TensorLine> tensors = lines_of(CheckpointFiles(options.path));
  print_tensors(tensors, options.tensors, out);
  print_quantisation(json, tensors, out);
}

void inspect_adapter(const InspectOptions& options, std::ostream& out) {
  const Json config = read_json_file(options.path / "adapter_config.json");
  const auto text = [&](const char* key) {
    return config.contains(key) ? dump_json(config.at(key)) : std::string("-");
  };
  out << "Adapter " << text("peft_type") << ", rank " << text("r") << ", alpha "
      << text("lora_alpha") << ", rsLoRA " << text("use_rslora") << "\nTargets "
      << text("target_modules") << "\nBase " << text("base_model_name_or_path") << "\n";
  if (std::filesystem::exists(options.path / "svtune.json")) {
    const Json side = read_json_file(options.path / "svtune.json");
    if (side.contains("options"))
      out << "Made by svtune: " << dump_json(side.at("options")) << "\n";
    if (side.value("needs_its_base", false)) out << "Of use with exactly this base only\n";
  }
  for (const char* name : {"adapter_model.safetensors", "svtune_state.safetensors"}) {
    if (!std::filesystem::exists(options.path / name)) continue;
    out << name << ": ";
    print_tensors(lines_of(CheckpointFiles(options.path / name)), options.tensors, out);
  }
}

void inspect_run(const InspectOptions& options, std::ostream& out) {
  const Json config = read_json_file(options.path / "config.json");
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
  if (!std::filesystem::exists(path)) throw FileError(path.string(), "no such file or directory");
  if (options.spectrum) return inspect_spectrum(path, options.tensors, options.drawing, context);
  if (path.extension() == ".gguf") {
    inspect_gguf(options, context.out);
  } else if (path.extension() == ".safetensors") {
    print_tensors(lines_of(CheckpointFiles(path)), options.tensors, context.out);
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
