#include "formats/tensor_listing.h"

#include <bit>

namespace svtune {

std::int64_t StoredTensor::values() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

std::vector<StoredTensor> list_tensors(const CheckpointFiles& files) {
  std::vector<StoredTensor> list;
  for (const auto& [name, entry] : files.entries()) {
    list.push_back({name, std::string(dtype_name(entry.info->dtype)), entry.info->shape,
                    entry.info->byte_size()});
  }
  return list;
}

std::vector<StoredTensor> list_tensors(const GgufFile& file) {
  std::vector<StoredTensor> list;
  for (const GgufTensorInfo& info : file.tensors()) {
    const GgufTypeTraits* traits = gguf_type_traits(info.type);
    list.push_back(
        {info.name, traits ? std::string(traits->name) : "unknown", info.shape, info.bytes});
  }
  return list;
}

TensorTotals total_of(const std::vector<StoredTensor>& tensors) {
  TensorTotals total;
  for (const auto& [dtype, share] : totals_by_dtype(tensors)) {
    total.values += share.values;
    total.bytes += share.bytes;
  }
  return total;
}

std::map<std::string, TensorTotals> totals_by_dtype(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, TensorTotals> totals;
  for (const StoredTensor& each : tensors) {
    TensorTotals& total = totals[each.dtype];
    total.values += each.values();
    total.bytes += each.bytes;
  }
  return totals;
}

double QuantisedTotals::bits_per_weight() const {
  return 8 * static_cast<double>(bytes) / static_cast<double>(weights);
}

std::uint64_t QuantisedTotals::block_size() const {
  return std::bit_ceil(static_cast<std::uint64_t>(weights / scales));
}

QuantisedTotals quantised_totals(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, const StoredTensor*> by_name;
  for (const StoredTensor& each : tensors) by_name[each.name] = &each;
  QuantisedTotals total;
  for (const auto& [name, scales] : by_name) {
    const bool eight = name.ends_with(".SCB");
    if (!eight && !name.ends_with(".weight.absmax")) continue;
    const std::string layer = name.substr(0, name.size() - (eight ? 4 : 14));
    const auto codes = by_name.find(layer + ".weight");
    if (codes == by_name.end()) continue;
    ++total.matrices;
    // A byte holds two codes of four bits.
    total.weights += codes->second->values() * (eight ? 1 : 2);
    total.scales += scales->values();
    total.bytes += codes->second->bytes + (eight ? scales->bytes : 0);
    for (auto part = by_name.upper_bound(layer + ".weight.");
         part != by_name.end() && part->first.starts_with(layer + ".weight."); ++part) {
      total.bytes += part->second->bytes;
    }
  }
  return total;
}

}  // namespace svtune
