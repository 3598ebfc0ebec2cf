#include "adapter_files/factor_size.h"

#include "adapter_files/adapter_config.h"
#include "libtorch/prelude.h"

namespace svtune {

FactorSize factor_size(const Json& keys, const std::string& name) {
  const Json rank = pattern_value(keys.value("rank_pattern", Json()), name);
  const Json alpha = pattern_value(keys.value("alpha_pattern", Json()), name);
  FactorSize size;
  size.rank = rank.is_null() ? keys.value("r", std::int64_t{8}) : rank.get<std::int64_t>();
  size.alpha = alpha.is_null() ? keys.value("lora_alpha", 8.0) : alpha.get<double>();
  size.rslora = keys.value("use_rslora", Json()) == Json(true);
  return size;
}

bool nearly_equal(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }

}  // namespace svtune
