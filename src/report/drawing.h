// What the SVG drawings of the report share.
#pragma once

#include <string>

#include "report/html.h"

namespace svtune {

// User units of a drawing; the page scales it to the width of its card.
inline constexpr double kDrawingWidth = 640, kDrawingHeight = 280;
// Room for the labels of the axes.
inline constexpr double kDrawingLeft = 62, kDrawingTop = 12, kDrawingBottom = 30;

// <text> at (x, y); `anchor` is SVG's text-anchor.
inline std::string text_element(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + anchor +
         "\">" + escape_html(text) + "</text>";
}

}  // namespace svtune
