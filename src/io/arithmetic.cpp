#include "io/arithmetic.h"

#include <sys/resource.h>
#include <torch/version.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "base/hash.h"
#include "base/json.h"
#include "base/number_text.h"
#include "io/model.h"
#include "libtorch/prelude.h"

namespace svtune {
namespace {

constexpr double kClearlyFaster = 1.1;
constexpr std::uint64_t kCacheBytes = 1 << 20;

// Name and abilities of the first processor.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string text;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    for (const std::string_view key : {"vendor_id", "cpu family", "model", "stepping", "flags",
                                       "CPU implementer", "CPU part", "Features"}) {
      if (line.starts_with(key)) text += line + "\n";
    }
  }
  return text;
}

std::optional<ArithmeticRates> read_rates(const std::string& text) {
  try {
    const Json json = parse_json(text, "rates");
    const ArithmeticRates rates{json.at("fp32").get<double>(), json.at("bf16").get<double>()};
    return rates.fp32 > 0 && rates.bf16 > 0 ? std::optional(rates) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;  // of another version: measured anew
  }
}

// How often a core was taken from a thread of the process that would have gone on.
std::int64_t involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

ArithmeticRates rates_here(const std::vector<ProductShape>& shapes) {
  const auto measure = [&] {
    return ArithmeticRates{product_rate(shapes, at::kBFloat16, at::kFloat).both(),
                           product_rate(shapes, at::kBFloat16, at::kBFloat16).both()};
  };
  return kept_rates(arithmetic_key(shapes),
                    [&] { return settled_rates(measure, involuntary_switches); });
}

// "1.8 times", of two rates.
std::string times_text(double rate, double other) { return fixed(rate / other, 1) + " times "; }

}  // namespace

std::vector<ProductShape> product_shapes(const ArchSpec& spec) {
  return {{spec.intermediate_size, spec.hidden_size}, {spec.hidden_size, spec.intermediate_size}};
}

MeasuredRates settled_rates(const std::function<ArithmeticRates()>& measure,
                            const std::function<std::int64_t()>& switches) {
  constexpr int kTries = 2;
  MeasuredRates settled;
  for (int i = 0; i < kTries && !settled.undisturbed; ++i) {
    const std::int64_t before = switches();
    const ArithmeticRates rates = measure();
    settled.undisturbed = switches() == before;
    settled.rates = {std::max(settled.rates.fp32, rates.fp32),
                     std::max(settled.rates.bf16, rates.bf16)};
  }
  return settled;
}

ArithmeticRates kept_rates(const std::string& key, const std::function<MeasuredRates()>& measure) {
  std::optional<BlobCache> cache = open_arithmetic_cache();
  if (cache) {
    if (const auto text = cache->find(key)) {
      if (const auto rates = read_rates(*text)) return *rates;
    }
  }
  const auto [rates, undisturbed] = measure();
  if (cache && undisturbed) {
    const std::string text = dump_json(Json{{"fp32", rates.fp32}, {"bf16", rates.bf16}}, {});
    const std::array<std::string_view, 1> pieces{text};
    cache->store(key, pieces);
  }
  return rates;
}

Arithmetic choose_arithmetic(const ArithmeticRates& rates) {
  const bool wide = rates.fp32 >= kClearlyFaster * rates.bf16;
  if (wide) {
    return {at::kFloat,
            "bf16 weights, fp32 arithmetic: " + times_text(rates.fp32, rates.bf16) + "bf16 here"};
  }
  return {at::kBFloat16,
          "bf16 weights, bf16 arithmetic: " + times_text(rates.bf16, rates.fp32) + "fp32 here"};
}

Arithmetic arithmetic_for(const ArchSpec& spec, at::ScalarType stored,
                          std::optional<at::ScalarType> asked) {
  const std::string weights = dtype_text(stored) + " weights, ";
  if (asked) return {*asked, weights + dtype_text(*asked) + " arithmetic"};
  if (stored != at::kBFloat16) {
    return {at::kFloat, weights + "fp32 arithmetic: bf16 would round them"};
  }
  return choose_arithmetic(rates_here(product_shapes(spec)));
}

std::optional<BlobCache> open_arithmetic_cache() {
  const char* limit = std::getenv("SVTUNE_CACHE_GIB");
  if (limit != nullptr && std::string_view(limit) == "0") return std::nullopt;
  const auto directory = user_cache_directory();
  if (!directory) return std::nullopt;
  return std::optional<BlobCache>(std::in_place, *directory / "arithmetic", kCacheBytes);
}

std::string arithmetic_key(const std::vector<ProductShape>& shapes) {
  Hasher64 hasher;
  hasher.update(processor());
  hasher.update(TORCH_VERSION);
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY",
                           "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR"}) {
    const char* value = std::getenv(name);
    hasher.update(std::string(name) + "=" + (value == nullptr ? "" : value) + "\n");
  }
  hasher.update(std::to_string(at::get_num_threads()));
  for (const ProductShape& shape : shapes) {
    hasher.update(" " + std::to_string(shape.out) + "x" + std::to_string(shape.in));
  }
  return hex64(hasher.digest());
}

}  // namespace svtune
