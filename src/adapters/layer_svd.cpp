#include "adapters/layer_svd.h"

#include "linalg/svd_cache.h"
#include "linalg/weight_errors.h"

namespace svtune {

TruncatedSvd layer_svd(const LayerSite& site, SvdCache* cache, const at::Tensor& matrix,
                       std::int64_t rank, const TruncatedSvdOptions& options) {
  return with_weight_name(site.name, [&] { return truncated_svd(cache, matrix, rank, options); });
}

void report_svd(const SvdCertificate& certificate, Json& report) {
  report["svd"] = certificate.algorithm;
  if (!certificate.fallback.empty()) report["svd_fallback"] = certificate.fallback;
  report["max_residual"] = certificate.max_residual;
}

}  // namespace svtune
