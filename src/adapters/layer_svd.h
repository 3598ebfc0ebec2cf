// The decomposition that a method starts from, with errors and report that name the layer's facts.
#pragma once

#include <cstdint>

#include "adapters/method.h"
#include "linalg/svd.h"

namespace svtune {

// truncated_svd() of a matrix of the site's, through `cache` where it is not null; a ModelError
// names the layer.
TruncatedSvd layer_svd(const LayerSite& site, SvdCache* cache, const at::Tensor& matrix,
                       std::int64_t rank, const TruncatedSvdOptions& options = {});

// How the triplets were found and how exact they are: svd, svd_fallback, max_residual.
void report_svd(const SvdCertificate& certificate, Json& report);

}  // namespace svtune
