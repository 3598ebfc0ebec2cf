#include "linalg/svd_cache.h"

#include <ATen/Version.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/hash.h"
#include "base/json.h"
#include "linalg/gram.h"
#include "linalg/svd_check.h"

namespace svtune {
namespace {

// Raise it with every change that alters a bit of any result.
constexpr int kAlgorithmVersion = 3;

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

Json shape_json(const at::Tensor& tensor) { return Json(tensor.sizes().vec()); }

// What the result depends on besides the values of the weight; stored with it and compared.
Json description_of(const at::Tensor& weight, const std::string& request) {
  return {{"version", kAlgorithmVersion},
          {"request", request},
          {"shape", shape_json(weight)},
          {"dtype", c10::toString(weight.scalar_type())},
          {"cpu", at::get_cpu_capability()},
          {"bf16", detail::uses_bf16_products(at::empty({1, 1}, at::kBFloat16))}};
}

// 128 bits: two hashes with different seeds.
std::string key_of(const at::Tensor& weight, const std::string& description) {
  std::string key;
  for (const std::uint64_t seed : {1, 2}) {
    Hasher64 hasher(seed);
    hasher.update(description);
    hasher.update(bytes_of(weight));
    key += hex64(hasher.digest());
  }
  return key;
}

// The tensors of a result in the order in which they are stored.
std::vector<at::Tensor*> tensors_of(TruncatedSvd& svd) {
  return {&svd.U, &svd.S, &svd.V, &svd.certificate.residuals};
}
std::vector<at::Tensor*> tensors_of(ThinSvd& svd) { return {&svd.U, &svd.S, &svd.V}; }

Json facts_of(const TruncatedSvd& svd) {
  const SvdCertificate& certificate = svd.certificate;
  return {{"algorithm", certificate.algorithm},
          {"fallback", certificate.fallback},
          {"passes", certificate.passes},
          {"max_residual", certificate.max_residual},
          {"captured_energy", certificate.captured_energy}};
}

Json facts_of(const ThinSvd& svd) {
  return {{"algorithm", svd.algorithm}, {"fallback", svd.fallback}};
}

void set_facts(const Json& facts, TruncatedSvd& svd) {
  SvdCertificate& certificate = svd.certificate;
  facts.at("algorithm").get_to(certificate.algorithm);
  facts.at("fallback").get_to(certificate.fallback);
  facts.at("passes").get_to(certificate.passes);
  facts.at("max_residual").get_to(certificate.max_residual);
  facts.at("captured_energy").get_to(certificate.captured_energy);
}

void set_facts(const Json& facts, ThinSvd& svd) {
  facts.at("algorithm").get_to(svd.algorithm);
  facts.at("fallback").get_to(svd.fallback);
}

// One line of JSON, then the tensors' bytes.
template <class Result>
void put(BlobCache& store, const std::string& key, const Json& description, Result& result) {
  Json head = {{"for", description}, {"facts", facts_of(result)}, {"tensors", Json::array()}};
  std::vector<at::Tensor> held;  // keeps contiguous copies alive
  for (const at::Tensor* each : tensors_of(result)) {
    held.push_back(each->cpu().contiguous());
    head["tensors"].push_back(
        {{"shape", shape_json(*each)}, {"double", each->scalar_type() == at::kDouble}});
  }
  const std::string line = dump_json(head) + "\n";
  std::vector<std::string_view> pieces = {line};
  for (const at::Tensor& each : held) pieces.push_back(bytes_of(each));
  store.store(key, pieces);
}

at::Tensor take_tensor(const Json& head, std::string_view& bytes) {
  const auto shape = head.at("shape").get<std::vector<std::int64_t>>();
  at::Tensor tensor = at::empty(shape, head.at("double").get<bool>() ? at::kDouble : at::kFloat);
  if (bytes.size() < tensor.nbytes()) throw FileError("entry", "is too short");
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), tensor.nbytes());
  bytes.remove_prefix(tensor.nbytes());
  return tensor;
}

// Nothing where the entry is of another weight or not understood: then it is made anew.
template <class Result>
std::optional<Result> parse(const std::string& entry, const Json& description) {
  try {
    std::string_view bytes = entry;
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const Json head = parse_json(bytes.substr(0, end), "entry");
    if (head.at("for") != description) return std::nullopt;
    bytes.remove_prefix(end + 1);
    Result result;
    set_facts(head.at("facts"), result);
    std::size_t i = 0;
    for (at::Tensor* each : tensors_of(result))
      *each = take_tensor(head.at("tensors").at(i++), bytes);
    return result;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  } catch (const FileError&) {
    return std::nullopt;
  }
}

// Whether a stored result decomposes this weight: nothing wrong is used, whoever wrote it.
template <class Result>
bool fits(const at::Tensor& weight, const Result& result) {
  const std::int64_t rank = result.S.dim() == 1 ? result.S.size(0) : 0;
  return rank > 0 && result.U.sizes() == at::IntArrayRef({weight.size(0), rank}) &&
         result.V.sizes() == at::IntArrayRef({weight.size(1), rank}) &&
         detail::fault_of(weight, result).empty();
}

std::string request_text(std::int64_t rank, const TruncatedSvdOptions& options) {
  const bool fast = options.algorithm == SvdAlgorithm::kFast;
  Json request = {{"rank", rank}, {"fast", fast}, {"seed", options.seed}};
  request["part"] = static_cast<int>(options.part);
  if (options.part == SpectrumPart::kRange) request["begin"] = options.range_begin;
  if (fast) request["niter"] = options.niter;
  if (fast) request["oversample"] = options.oversample;
  return dump_json(request);
}

}  // namespace

template <class Result>
Result SvdCache::get(const at::Tensor& weight, const std::string& request,
                     const std::function<Result()>& compute) {
  // Whatever cannot be decomposed is refused by the computation, in its words.
  if (!weight.defined() || weight.dim() != 2 || !weight.device().is_cpu() ||
      std::min(weight.size(0), weight.size(1)) < smallest_) {
    return compute();
  }
  const at::Tensor dense = weight.detach().contiguous();
  const Json description = description_of(dense, request);
  const std::string key = key_of(dense, dump_json(description));
  if (const std::optional<std::string> entry = store_.find(key)) {
    std::optional<Result> result = parse<Result>(*entry, description);
    if (result && fits(dense, *result)) {
      ++found_;
      return std::move(*result);
    }
  }
  ++missing_;
  Result result = compute();
  put(store_, key, description, result);
  return result;
}

TruncatedSvd SvdCache::truncated(const at::Tensor& weight, std::int64_t rank,
                                 const TruncatedSvdOptions& options) {
  return get<TruncatedSvd>(weight, request_text(rank, options),
                           [&] { return truncated_svd(weight, rank, options); });
}

ThinSvd SvdCache::full(const at::Tensor& weight) {
  return get<ThinSvd>(weight, "full", [&] { return full_svd(weight); });
}

TruncatedSvd truncated_svd(SvdCache* cache, const at::Tensor& weight, std::int64_t rank,
                           const TruncatedSvdOptions& options) {
  return cache ? cache->truncated(weight, rank, options) : truncated_svd(weight, rank, options);
}

ThinSvd full_svd(SvdCache* cache, const at::Tensor& weight) {
  return cache ? cache->full(weight) : full_svd(weight);
}

}  // namespace svtune
