#include "cli/core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/number_text.h"
#include "base/text_util.h"

namespace svtune {
namespace {

constexpr double kRedrawInterval = 0.1;  // seconds
constexpr char kEraseRest[] = "\x1b[K";  // of the line

void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// Columns, not bytes: the bar's characters and notes are one column a code point.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string cut_columns(std::string_view text, std::size_t limit) {
  std::size_t end = 0;
  for (std::size_t used = 0; end < text.size(); ++end) {
    const bool starts = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (starts && ++used > limit) break;
  }
  return std::string(text.substr(0, end));
}

std::string draw_bar(double fraction, int cells, bool utf8) {
  const int filled = static_cast<int>(std::lround(std::clamp(fraction, 0.0, 1.0) * cells));
  std::string out;
  for (int i = 0; i < cells; ++i) {
    out += i < filled ? (utf8 ? "━" : "#") : (utf8 ? "─" : ".");
  }
  return utf8 ? out : "[" + out + "]";
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const auto whole = static_cast<std::uint64_t>(std::min(std::lround(seconds), 359999999L));
  const std::string minutes_and_seconds =
      zero_padded(whole / 60 % 60, whole >= 3600 ? 2 : 1) + ":" + zero_padded(whole % 60, 2);
  return whole >= 3600 ? std::to_string(whole / 3600) + ":" + minutes_and_seconds
                       : minutes_and_seconds;
}

Progress::Progress(Settings settings) : settings_(std::move(settings)) {
  if (!settings_.write) settings_.write = write_stderr;
  if (!settings_.now) settings_.now = steady_seconds;
  if (!settings_.terminal) settings_.terminal = [] { return inspect_terminal(STDERR_FILENO); };
  terminal_ = settings_.terminal();
}

Progress::~Progress() { finish(); }

void Progress::update(const ProgressSample& sample) {
  sample_ = sample;
  pending_ = true;
  const double now = settings_.now();
  if (!first_time_) {
    first_time_ = now;
    first_done_ = sample.done;
  }
  const double interval = terminal_.interactive ? kRedrawInterval : settings_.plain_interval;
  if (!last_draw_ || now - *last_draw_ >= interval) draw();
}

void Progress::print(std::string_view line) {
  settings_.write((line_open_ ? "\r" : "") + std::string(line) + (line_open_ ? kEraseRest : "") +
                  "\n");
  line_open_ = false;
  if (terminal_.interactive && last_draw_) draw();
}

void Progress::finish() {
  if (pending_) draw();
  if (line_open_) settings_.write("\n");
  line_open_ = false;
  last_draw_.reset();
}

void Progress::draw() {
  last_draw_ = settings_.now();
  pending_ = false;
  if (terminal_.interactive) {
    terminal_ = settings_.terminal();  // the window may have another width
    // Written over in one piece and erased only behind its end, so that nothing flickers.
    settings_.write("\r" + bar_line() + kEraseRest);
    line_open_ = true;
  } else {
    settings_.write(plain_line() + "\n");
  }
}

std::string Progress::eta() const {
  const std::int64_t steps = sample_.done - first_done_;
  if (steps <= 0 || sample_.total <= 0 || sample_.done >= sample_.total) return "";
  const double per_step = (settings_.now() - *first_time_) / static_cast<double>(steps);
  return format_duration(per_step * static_cast<double>(sample_.total - sample_.done));
}

std::string Progress::facts(bool plain) const {
  std::string out;
  if (sample_.loss) out += "  loss " + fixed(*sample_.loss, 4);
  if (sample_.tokens_per_second) {
    const auto rate = static_cast<std::uint64_t>(std::max(0.0, *sample_.tokens_per_second));
    out += plain ? "  " + std::to_string(rate) + " tokens/s"
                 : "  " + format_short_count(rate) + " tok/s";
  }
  if (const std::string left = eta(); !left.empty()) out += "  ETA " + left;
  if (sample_.memory) out += (plain ? "  memory " : "  ") + format_bytes(*sample_.memory);
  if (!sample_.note.empty()) out += "  " + sample_.note;
  return out;
}

std::string Progress::bar_line() const {
  const std::string counts =
      std::to_string(sample_.done) + (sample_.total > 0 ? "/" + std::to_string(sample_.total) : "");
  const std::string tail = "  " + counts + facts(false);
  std::string line = settings_.label;
  // The last column stays free: writing it makes some terminals wrap.
  const auto width = static_cast<std::size_t>(terminal_.width - 1);
  const std::size_t used = columns(line) + columns(tail) + 3;
  if (sample_.total > 0 && used + 5 <= width) {
    const int cells = static_cast<int>(std::min<std::size_t>(30, width - used));
    const double fraction = static_cast<double>(sample_.done) / static_cast<double>(sample_.total);
    line += " " + draw_bar(fraction, cells, terminal_.utf8);
  }
  return cut_columns(line + tail, width);
}

std::string Progress::plain_line() const {
  std::string line = settings_.label + "  " + settings_.unit + " " + std::to_string(sample_.done);
  if (sample_.total > 0) {
    const auto percent = 100 * sample_.done / sample_.total;
    line += "/" + std::to_string(sample_.total) + " (" + std::to_string(percent) + "%)";
  }
  return line + facts(true);
}

}  // namespace svtune
