// What every plot shares: colours, axes, and drawing again when the theme, the width or the data changes.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const drawings = new Map(); // box -> drawing
let draw = {}; // kind of plot -> what draws it

// A colour token as the browser resolves it for the present theme.
export function ink(token, alpha = 1) {
  const probe = document.createElement("span");
  probe.style.color = `color-mix(in srgb, var(--${token}) ${alpha * 100}%, transparent)`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

export const fontOf = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;

const dayOf = (moment) => `${Number(moment.slice(8, 10))} ${MONTHS[Number(moment.slice(5, 7)) - 1]}`;

export const amount = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
export const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
export const said = (value) => amount.format(value).replace("-", "\u2212");

// The width inside the box's padding.
export function room(box) {
  const style = getComputedStyle(box);
  return box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
}

// Market time stands still while the exchange is closed, so points stand side by side: x is their number.
export function timeAxis(moments, gap) {
  return {
    stroke: ink("muted"),
    font: fontOf(12),
    grid: { show: false },
    ticks: { show: false },
    gap,
    size: 28,
    space: 70,
    incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    values: (_, splits) => labels(splits.map((at) => moments[at])),
  };
}

// Days, each named once; the time of day where all is of one day.
function labels(moments) {
  const known = moments.filter(Boolean);
  const ofOneDay = known.length > 1 && known[0].length > 10 && known[0].slice(0, 10) === known.at(-1).slice(0, 10);
  const named = moments.map((moment) => (!moment ? "" : ofOneDay ? `${moment.slice(11, 16)} UTC` : dayOf(moment)));
  return named.map((name, index) => (name === named[index - 1] ? "" : name));
}

export function valueAxis(lowest) {
  return {
    stroke: ink("muted"),
    font: fontOf(12),
    grid: { stroke: ink("line"), width: 1 },
    ticks: { show: false },
    size: 64,
    filter: (_, splits) => splits.map((value) => (value >= lowest ? value : null)),
    values: (_, splits) => splits.map((value) => (value === null ? "" : said(value))),
  };
}

// Draw every plot of the page now and whenever it has to be drawn anew; `kinds` says by its kind what draws it.
export function drawPlots(kinds) {
  draw = kinds;
  document.addEventListener("DOMContentLoaded", drawAll);
  addEventListener("tbot:refreshed", drawAll);
  addEventListener("tbot:theme", redrawAll);
  addEventListener("storage", (event) => event.key === "tbot_theme" && redrawAll());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
}

// A refresh brings new boxes; what was drawn in the old ones goes with them.
function drawAll() {
  for (const [box, drawing] of drawings) {
    if (box.isConnected) continue;
    drawing.destroy();
    drawings.delete(box);
    widths.unobserve(box);
  }
  for (const box of document.querySelectorAll("[data-plot]")) {
    if (drawings.has(box)) continue;
    redraw(box);
    widths.observe(box);
  }
}

function redraw(box) {
  if (!box.clientWidth) return;
  drawings.get(box)?.destroy();
  drawings.set(box, draw[box.dataset.plot](box, JSON.parse(box.dataset.points)));
}

const widths = new ResizeObserver((seen) => {
  for (const { target } of seen) if (drawings.get(target)?.width !== room(target)) redraw(target);
});
const redrawAll = () => requestAnimationFrame(() => [...drawings.keys()].forEach(redraw));
