#include "report/static_page.h"

#include <span>

#include "base/hash.h"
#include "report/assets.h"
#include "report/html.h"

namespace svtune {

std::string static_page(const PageHead& head, const std::string& body) {
  const auto bytes = std::as_bytes(std::span(body));
  const std::string nonce = hex64(hash64(bytes, 1)) + hex64(hash64(bytes, 2));
  const std::string title = escape_html(head.title);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
         "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'nonce-" +
         nonce +
         "'; base-uri 'none'; form-action 'none'\">\n<meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
         "content=\"light dark\">\n<title>" +
         title + "</title>\n<style nonce=\"" + nonce + "\">\n" + std::string(assets::kReportCss) +
         "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>" + title +
         "</h1>\n<p class=\"subtitle\">" + escape_html(head.subtitle) + "</p>\n</header>\n<br>" +
         body + "\n<footer>" + escape_html(head.footer) + "</footer>\n</main>\n</body>\n</html>\n";
}

std::string number_cell(const std::string& text) {
  return "<td class=\"number\">" + escape_html(text) + "</td>";
}

std::string head_cells(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += "<th class=\"number\">" + escape_html(name) + "</th>";
  }
  return out;
}

std::string table(const std::string& head, const std::string& rows) {
  return "<div class=\"scroll\"><table><thead><tr>" + head + "</tr></thead><tbody>" + rows +
         "</tbody></table></div>";
}

std::string facts_list(const std::vector<ReportFact>& facts) {
  std::string out;
  for (const ReportFact& fact : facts) {
    out += "<div><dt>" + escape_html(fact.label) + "</dt><dd>" + escape_html(fact.value) +
           "</dd></div>";
  }
  return "<dl class=\"tiles\">" + out + "</dl>";
}

std::string share_bar(const UpdateShares& shares) {
  std::string out =
      "<svg class=\"bar\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
      "<rect class=\"track\" width=\"100\" height=\"8\"/>";
  double begin = 0;
  std::size_t colour = 0;
  for (const double share : {shares.principal, shares.medium, shares.minor}) {
    out += "<rect class=\"dot run-" + std::to_string(colour++) + "\" x=\"" +
           coordinate(100 * begin, 2) + "\" width=\"" + coordinate(100 * share, 2) +
           "\" height=\"8\"/>";
    begin += share;
  }
  return out + "</svg>";
}

}  // namespace svtune
