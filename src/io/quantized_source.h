// Weights that a checkpoint holds quantised in bitsandbytes' layout (quantization_config of
// config.json): 4-bit codes with their scales beside them, or int8 rows.
//
//   X.weight                  uint8 [(n + 1) / 2, 1] packed codes, or int8 [out, in]
//   X.weight.absmax           fp32 [blocks], or uint8 [blocks] when nested
//   X.weight.quant_map        fp32 [16]
//   X.weight.nested_absmax, X.weight.nested_quant_map    when nested
//   X.weight.quant_state.bitsandbytes__nf4 (or __fp4)    bytes of a JSON object
//   X.SCB, X.weight_format    int8: fp32 [out] row scales, a format mark
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "io/safetensors_source.h"
#include "nn/adapter.h"

namespace svtune {

// Throws FileError naming `source` (config.json) when
// the quantisation is of another kind than bitsandbytes' 4-bit and int8.
std::shared_ptr<const WeightSource> open_quantized(std::shared_ptr<const SafetensorsSource> files,
                                                   const Json& quantization_config,
                                                   const std::string& source);

// The reverse, for writing: the tensors of the weight `name` ("X.weight") under their names.
std::vector<NamedTensor> quantized_tensors(const std::string& name, const QuantizedMatrix& matrix);

// The entry for config.json of a checkpoint whose linear layers but `dense` are quantised like
// `matrix`, computing in `compute`.
Json quantization_config(const QuantizedMatrix& matrix, at::ScalarType compute,
                         const std::vector<std::string>& dense);

}  // namespace svtune
