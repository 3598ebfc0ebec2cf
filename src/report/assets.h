// The page's template, style and script, embedded from assets/ when the library is built.
#pragma once

#include <string_view>

namespace svtune::assets {

extern const std::string_view kPageHtml;
extern const std::string_view kReportCss;
extern const std::string_view kReportJs;

}  // namespace svtune::assets
