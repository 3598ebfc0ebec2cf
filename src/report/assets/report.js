// Draws the charts anew with a read-out, logarithmic axes, smoothing and other x axes.
// The page's data is {smoothing, runs: [{name, seconds, tokens}], charts: [{id, style, zero,
// smooth, series: [{x, y}]}]}; x are steps, null in y is a gap.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const state = { axis: "step", smoothing: data.smoothing, hidden: new Set(), cursor: null, range: [0, 1], print: false };
  const readout = document.getElementById("readout");
  const PAD = { left: 62, right: 14, top: 12, bottom: 30 };

  // Numbers.
  const digits = (v, n) => Number(v.toPrecision(n)).toString();
  const bytes = (v, n) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    for (; i < 4 && Math.abs(v) >= 1024; i++) v /= 1024;
    return digits(v, n) + " " + units[i];
  };
  const small = (v) => {
    const size = Math.abs(v);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return v.toExponential(2);
    return v.toFixed(size < 1 ? 4 : size < 100 ? 3 : 1);
  };
  const exact = {
    plain: small,
    scientific: (v) => digits(v, 3),
    rate: (v) => Math.round(v).toLocaleString("en"),
    bytes: (v) => bytes(v, 4),
    percent: (v) => (100 * v).toFixed(1) + " %",
  };
  const short = (v) => {
    const size = Math.abs(v);
    if (size >= 1e6) return digits(v / 1e6, 4) + "M";
    return size >= 1e4 ? digits(v / 1e3, 4) + "K" : digits(v, 4);
  };
  // "5e-5", "1.5e-4".
  const exponential = (v) => {
    const exponent = Math.floor(Math.log10(Math.abs(v)) + 1e-9);
    return digits(v / 10 ** exponent, 3) + "e" + exponent;
  };
  const tickUnit = (style, largest) => {
    if (style === "percent") return [0.01, " %"];
    if (style === "rate" && largest >= 1e6) return [1e6, "M"];
    if (style === "rate" && largest >= 1e4) return [1e3, "K"];
    if (style !== "bytes") return [1, ""];
    const names = [" B", " KiB", " MiB", " GiB", " TiB"];
    const power = Math.min(4, largest < 1 ? 0 : Math.floor(Math.log2(largest) / 10));
    return [1024 ** power, names[power]];
  };
  // Labels of all ticks of an axis: one unit, the same number of decimals.
  const tickTexts = (style, ticks, even) => {
    const largest = Math.max(...ticks.map(Math.abs));
    const [unit, suffix] = tickUnit(style, largest);
    const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) / unit : 1;
    const decimals = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
    const tiny = style !== "bytes" && largest > 0 && largest < 0.01;
    return ticks.map((v) => {
      if (v === 0) return "0";
      if (tiny) return exponential(v);
      return (even ? (v / unit).toFixed(decimals) : digits(v / unit, 4)) + suffix;
    });
  };
  const clock = (s) => {
    const pad = (n) => String(n).padStart(2, "0");
    const t = Math.round(s);
    const head = t >= 3600 ? Math.floor(t / 3600) + ":" + pad(Math.floor(t / 60) % 60) : String(Math.floor(t / 60));
    return head + ":" + pad(t % 60);
  };
  const axisHead = { step: (v) => "step " + Math.round(v).toLocaleString("en"), seconds: clock, tokens: (v) => short(v) + " tokens" };

  // Ticks.
  const linearTicks = (low, high, count) => {
    const rough = (high - low) / Math.max(1, count);
    if (!(rough > 0) || !isFinite(rough)) return [low];
    const power = 10 ** Math.floor(Math.log10(rough));
    const unit = rough / power;
    const step = power * (unit < 1.5 ? 1 : unit < 3 ? 2 : unit < 7 ? 5 : 10);
    const out = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) out.push(i * step);
    return out;
  };
  const byteTicks = (low, high, count) => {
    let unit = 1;
    while (unit < 2 ** 40 && high >= unit * 1024) unit *= 1024;
    return linearTicks(low / unit, high / unit, count).map((v) => v * unit);
  };
  const timeTicks = (low, high, count) => {
    const steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
    const step = steps.find((s) => (high - low) / s <= count) || 86400 * Math.ceil((high - low) / 86400 / count);
    const out = [];
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) out.push(v);
    return out;
  };
  const logTicks = (low, high) => {
    const decades = Math.log10(high / low);
    const factors = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 1.5, 2, 3, 4, 5, 6, 8];
    const out = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const f of factors) {
        const v = f * 10 ** e;
        if (v >= low && v <= high) out.push(v);
      }
    }
    return out.length > 1 ? out : linearTicks(low, high, 4).filter((v) => v > 0);
  };

  // Series.
  // Mean of each value's surroundings with weights weight^|distance|: no lag.
  const smoothed = (values, weight) => {
    const sums = values.map(() => 0);
    const weights = values.map(() => 0);
    for (const forward of [true, false]) {
      let sum = 0;
      let total = 0;
      for (let k = 0; k < values.length; k++) {
        const i = forward ? k : values.length - 1 - k;
        sums[i] += sum;
        weights[i] += total;
        sum = weight * (sum + (values[i] === null ? 0 : values[i]));
        total = weight * (total + (values[i] === null ? 0 : 1));
      }
    }
    return values.map((v, i) => (v === null ? null : (sums[i] + v) / (weights[i] + 1)));
  };
  // Steps to seconds or tokens, between the recorded points by proportion.
  const mapSteps = (steps, scale) => {
    if (!scale) return steps.map(() => null);
    let i = 0;
    return steps.map((s) => {
      while (i + 2 < scale.x.length && scale.x[i + 1] < s) i++;
      const part = (s - scale.x[i]) / (scale.x[i + 1] - scale.x[i] || 1);
      return scale.y[i] + part * (scale.y[i + 1] - scale.y[i]);
    });
  };
  const seriesOf = (chart) =>
    chart.series.map((s, run) => {
      const x = state.axis === "step" ? s.x : mapSteps(s.x, data.runs[run][state.axis]);
      const smooth = chart.smooth && state.smoothing > 0;
      return { run, x, raw: s.y, y: smooth ? smoothed(s.y, state.smoothing) : s.y, smooth };
    }).filter((s) => !state.hidden.has(s.run));

  // SVG.
  const element = (name, attributes, parent, text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  };
  const at = (v) => Math.round(v * 10) / 10;
  const pathOf = (xs, ys, px, py, log) => {
    let d = "";
    let down = false;
    for (let i = 0; i < xs.length; i++) {
      if (ys[i] === null || xs[i] === null || (log && ys[i] <= 0)) {
        down = false;
        continue;
      }
      d += (down ? "L" : "M") + at(px(xs[i])) + " " + at(py(ys[i]));
      down = true;
    }
    return d;
  };

  const rangeOf = (lists, positive) => {
    let low = Infinity;
    let high = -Infinity;
    for (const list of lists) {
      for (const v of list) {
        if (v === null || (positive && v <= 0)) continue;
        if (v < low) low = v;
        if (v > high) high = v;
      }
    }
    return low <= high ? [low, high] : positive ? [1, 10] : [0, 1];
  };
  const valueRange = (view) => {
    let [low, high] = rangeOf(view.series.flatMap((s) => [s.raw, s.y]), view.log);
    if (view.log) return low < high ? [low / 1.08, high * 1.08] : [low / 2, high * 2];
    if (view.chart.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
    if (!(high - low > 1e-12 * Math.max(Math.abs(low), Math.abs(high)))) {
      const margin = high === 0 ? 1 : 0.1 * Math.abs(high);
      return [low - margin, high + margin];
    }
    const margin = 0.04 * (high - low);
    return [view.chart.zero ? low : low - margin, high + margin];
  };

  const views = data.charts.map((chart) => {
    const card = document.getElementById("chart-" + chart.id);
    return { chart, card, plot: card.querySelector(".plot"), button: card.querySelector(".log"), log: false };
  });

  const drawAxes = (view, svg, width, height) => {
    const { chart, px, py, x, y } = view;
    const count = Math.max(2, Math.round((height - 40) / 44));
    const ticks = view.log ? logTicks(...y) : (chart.style === "bytes" ? byteTicks : linearTicks)(...y, count);
    const texts = tickTexts(chart.style, ticks, !view.log);
    ticks.forEach((v, i) => {
      const line = at(py(v));
      element("path", { class: "grid", d: "M" + PAD.left + " " + line + "H" + (width - PAD.right) }, svg);
      element("text", { x: PAD.left - 8, y: line + 4, "text-anchor": "end" }, svg, texts[i]);
    });
    const across = Math.max(2, Math.round((width - PAD.left) / 90));
    const timed = state.axis === "seconds";
    const xTicks = (timed ? timeTicks : linearTicks)(...x, across).filter((v) => state.axis !== "step" || Number.isInteger(v));
    const xTexts = timed ? xTicks.map(clock) : tickTexts("rate", xTicks, true);
    xTicks.forEach((v, i) => {
      element("text", { x: at(px(v)), y: height - PAD.bottom + 19, "text-anchor": "middle" }, svg, xTexts[i]);
    });
    const base = height - PAD.bottom;
    const name = { step: "step", seconds: "time", tokens: "tokens" }[state.axis];
    element("text", { x: 0, y: base + 19 }, svg, name);
    element("path", { class: "axis", d: "M" + PAD.left + " " + base + "H" + (width - PAD.right) }, svg);
  };

  const drawSeries = (view, svg) => {
    const { px, py } = view;
    for (const s of view.series.filter((one) => one.smooth)) {
      element("path", { class: "raw run-" + (s.run % 8), d: pathOf(s.x, s.raw, px, py, view.log) }, svg);
    }
    for (const s of view.series) {
      element("path", { class: "series run-" + (s.run % 8), d: pathOf(s.x, s.y, px, py, view.log) }, svg);
      if (s.smooth || s.x.length > 40) continue;
      s.x.forEach((x, i) => {
        if (s.y[i] === null || x === null || (view.log && s.y[i] <= 0)) return;
        element("circle", { class: "dot run-" + (s.run % 8), r: 2.6, cx: at(px(x)), cy: at(py(s.y[i])) }, svg);
      });
    }
  };

  const draw = (view) => {
    const width = state.print ? 440 : Math.max(240, view.plot.clientWidth);
    const height = Math.round(Math.min(340, Math.max(200, width * 0.42)));
    view.x = state.range;
    view.y = valueRange(view);
    const scale = view.log ? Math.log : (v) => v;
    const [low, high] = view.y.map(scale);
    view.px = (v) => PAD.left + ((v - view.x[0]) / (view.x[1] - view.x[0])) * (width - PAD.left - PAD.right);
    view.py = (v) => height - PAD.bottom - ((scale(v) - low) / (high - low)) * (height - PAD.bottom - PAD.top);
    view.width = width;
    view.height = height;
    const title = view.chart.id.replaceAll("_", " ") + " by " + state.axis;
    const svg = element("svg", { class: "chart", viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": title, "data-live": "1" });
    drawAxes(view, svg, width, height);
    drawSeries(view, svg);
    view.overlay = element("g", {}, svg);
    view.plot.replaceChildren(svg);
    view.svg = svg;
    drawCursor(view);
  };
  // All charts share one x range, so that the cursor stands at the same place in each.
  const drawAll = () => {
    for (const view of views) view.series = seriesOf(view.chart);
    const x = rangeOf(views.flatMap((view) => view.series.map((s) => s.x)), false);
    state.range = x[0] < x[1] ? x : [x[0] - 1, x[1] + 1];
    views.forEach(draw);
  };

  // Read-out: one position for all charts, one box beside the chart that is pointed at.
  const nearest = (xs, ys, value) => {
    let best = -1;
    for (let i = 0; i < xs.length; i++) {
      if (xs[i] === null || ys[i] === null) continue;
      if (best < 0 || Math.abs(xs[i] - value) < Math.abs(xs[best] - value)) best = i;
    }
    return best;
  };
  // The point that the cursor shows of a series; none where the series has long ended.
  const shownPoint = (view, s) => {
    const i = nearest(s.x, s.y, state.cursor);
    const gap = i < 0 ? 0 : Math.abs(s.x[i] - state.cursor);
    const ended = i === 0 || i === s.x.length - 1;
    return ended && gap > 0.02 * (view.x[1] - view.x[0]) ? -1 : i;
  };
  function drawCursor(view) {
    view.overlay.replaceChildren();
    if (state.cursor === null || state.cursor < view.x[0] || state.cursor > view.x[1]) return;
    const line = at(view.px(state.cursor));
    element("path", { class: "cross", d: "M" + line + " " + PAD.top + "V" + (view.height - PAD.bottom) }, view.overlay);
    for (const s of view.series) {
      const i = shownPoint(view, s);
      if (i < 0 || (view.log && s.y[i] <= 0)) continue;
      element("circle", { class: "mark run-" + (s.run % 8), r: 4.5, cx: at(view.px(s.x[i])), cy: at(view.py(s.y[i])) }, view.overlay);
    }
  }
  const node = (name, className, text, parent) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  };
  const fillReadout = (view) => {
    readout.replaceChildren();
    node("b", "", axisHead[state.axis](state.cursor), readout);
    for (const s of view.series) {
      const i = shownPoint(view, s);
      if (i < 0) continue;
      const row = node("div", "", undefined, readout);
      node("i", "swatch run-" + (s.run % 8), undefined, row);
      node("span", "", data.runs[s.run].name, row);
      node("em", "", exact[view.chart.style](s.y[i]), row);
    }
  };
  const placeReadout = (view) => {
    const box = view.svg.getBoundingClientRect();
    const x = box.left + (view.px(state.cursor) * box.width) / view.width;
    const size = readout.getBoundingClientRect();
    const right = x + 16 + size.width < document.documentElement.clientWidth;
    const left = right ? x + 16 : Math.max(4, x - 16 - size.width);
    readout.style.transform = "translate(" + Math.round(left) + "px," + Math.round(Math.max(4, box.top + 8)) + "px)";
  };
  // The cursor rests on a measured point of the first visible series.
  const pointAt = (view, x) => {
    const all = view.series.filter((s) => nearest(s.x, s.y, x) >= 0);
    if (all.length === 0) return hide();
    const xs = all.map((s) => s.x[nearest(s.x, s.y, x)]);
    state.cursor = xs.reduce((a, b) => (Math.abs(b - x) < Math.abs(a - x) ? b : a));
    views.forEach(drawCursor);
    fillReadout(view);
    readout.hidden = false;
    placeReadout(view);
  };
  function hide() {
    state.cursor = null;
    readout.hidden = true;
    views.forEach(drawCursor);
  }

  const onPointer = (view, event) => {
    const box = view.svg.getBoundingClientRect();
    const pixel = ((event.clientX - box.left) * view.width) / box.width;
    const inner = view.width - PAD.left - PAD.right;
    const part = Math.min(1, Math.max(0, (pixel - PAD.left) / inner));
    pointAt(view, view.x[0] + part * (view.x[1] - view.x[0]));
  };
  const onKey = (view, event) => {
    if (event.key === "Escape") return hide();
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!direction || view.series.length === 0) return;
    event.preventDefault();
    const xs = view.series[0].x;
    if (state.cursor === null) return pointAt(view, direction > 0 ? view.x[0] : view.x[1]);
    const i = nearest(xs, view.series[0].y, state.cursor) + direction * (event.shiftKey ? 10 : 1);
    pointAt(view, xs[Math.min(xs.length - 1, Math.max(0, i))]);
  };

  const wire = () => {
    for (const view of views) {
      view.plot.addEventListener("pointermove", (event) => onPointer(view, event));
      view.plot.addEventListener("pointerdown", (event) => onPointer(view, event));
      view.plot.addEventListener("pointerleave", hide);
      view.card.addEventListener("keydown", (event) => onKey(view, event));
      view.card.addEventListener("blur", hide);
      view.button.addEventListener("click", () => {
        view.log = !view.log;
        view.button.setAttribute("aria-pressed", String(view.log));
        draw(view);
      });
    }
    for (const box of document.querySelectorAll(".legend input")) {
      box.addEventListener("change", () => {
        const run = Number(box.dataset.run);
        if (box.checked) state.hidden.delete(run);
        else state.hidden.add(run);
        drawAll();
      });
    }
    const axis = document.getElementById("axis");
    for (const option of [...axis.options]) {
      if (option.value !== "step" && !data.runs.every((run) => run[option.value])) option.remove();
    }
    axis.parentElement.hidden = axis.options.length < 2;
    axis.addEventListener("change", () => {
      state.axis = axis.value;
      hide();
      drawAll();
    });
    const slider = document.getElementById("smoothing");
    const shown = document.getElementById("smoothing-value");
    slider.value = 100 * state.smoothing;
    shown.textContent = state.smoothing.toFixed(2);
    slider.parentElement.hidden = !data.charts.some((chart) => chart.smooth);
    slider.addEventListener("input", () => {
      state.smoothing = slider.value / 100;
      shown.textContent = state.smoothing.toFixed(2);
      drawAll();
    });
    let wait = 0;
    window.addEventListener("resize", () => {
      cancelAnimationFrame(wait);
      wait = requestAnimationFrame(drawAll);
    });
    window.addEventListener("beforeprint", () => {
      for (const fold of document.querySelectorAll("details:not(.list)")) fold.open = true;
      state.print = true;
      drawAll();
    });
    window.addEventListener("afterprint", () => {
      state.print = false;
      drawAll();
    });
  };

  document.documentElement.classList.add("live");
  wire();
  drawAll();
})();
