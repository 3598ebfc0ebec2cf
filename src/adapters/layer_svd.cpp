#include "adapters/layer_svd.h"

#include "base/errors.h"
#include "linalg/svd_cache.h"

namespace svtune {

TruncatedSvd layer_svd(const LayerSite& site, SvdCache* cache, const at::Tensor& matrix,
                       std::int64_t rank, const TruncatedSvdOptions& options) {
  try {
    return truncated_svd(cache, matrix, rank, options);
  } catch (const ModelError& error) {
    throw ModelError(site.name + ": " + error.what(), error.hint());
  }
}

void report_svd(const SvdCertificate& certificate, Json& report) {
  report["svd"] = certificate.algorithm;
  if (!certificate.fallback.empty()) report["svd_fallback"] = certificate.fallback;
  report["max_residual"] = certificate.max_residual;
}

}  // namespace svtune
