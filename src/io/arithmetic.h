// In which arithmetic a model computes where none is asked for: chosen by measuring, apart from the
// dtype that its weights are stored in.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/blob_cache.h"
#include "models/arch_spec.h"
#include "nn/product_rates.h"

namespace svtune {

struct Arithmetic {
  at::ScalarType compute = at::kFloat;
  // "bf16 weights, fp32 arithmetic: 1.8 times bf16 here"
  std::string reason;
};

// The feed-forward's, where most of the work is.
std::vector<ProductShape> product_shapes(const ArchSpec& spec);

// What decides over weights that are stored in bf16: the rates of both, in operations a second.
struct ArithmeticRates {
  double fp32 = 0, bf16 = 0;
};

struct MeasuredRates {
  ArithmeticRates rates;
  bool undisturbed = false;  // fit to be kept
};

// `measure` until no core was taken from the process meanwhile, by what `switches` counts, at most
// twice; of two measurements the faster rates, which were disturbed less.
MeasuredRates settled_rates(const std::function<ArithmeticRates()>& measure,
                            const std::function<std::int64_t()>& switches);

// The rates that the user's cache holds under `key`, or what `measure` gives, which is kept unless
// it was disturbed.
ArithmeticRates kept_rates(const std::string& key, const std::function<MeasuredRates()>& measure);

// fp32 only where it is at least a tenth faster: its activations take twice the memory, and a
// choice that close would change with the machine's mood.
Arithmetic choose_arithmetic(const ArithmeticRates& rates);

// `asked` as it is; else for weights in bf16 the faster of bf16 and fp32 on products of the
// model's shapes with the threads in use, and fp32 for all others. Measuring takes up to 50 ms,
// once per machine, LibTorch, number of threads and shapes: it is kept in the user's cache, unless
// other programs took the cores meanwhile; then twice that, again at the next start.
Arithmetic arithmetic_for(const ArchSpec& spec, at::ScalarType stored,
                          std::optional<at::ScalarType> asked);

// Where measured rates are kept, below user_cache_directory(); nothing when there is no place for
// it or SVTUNE_CACHE_GIB is 0.
std::optional<BlobCache> open_arithmetic_cache();

// Of what the rates of this process depend on: processor, LibTorch, the variables that hide a part
// of the processor from it, threads, shapes. Letters, digits and '-'.
std::string arithmetic_key(const std::vector<ProductShape>& shapes);

}  // namespace svtune
