// The plots. What they show is also said in words and listed as a table by the server.

const HEIGHT = { equity: 230, days: 180 };
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const drawings = new Map(); // box -> drawing

// A colour token as the browser resolves it for the present theme.
function ink(token, alpha = 1) {
  const probe = document.createElement("span");
  probe.style.color = `color-mix(in srgb, var(--${token}) ${alpha * 100}%, transparent)`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

const fontOf = (size) => `${size}px ${getComputedStyle(document.body).fontFamily}`;

const dayOf = (moment) => `${Number(moment.slice(8, 10))} ${MONTHS[Number(moment.slice(5, 7)) - 1]}`;

const amount = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const said = (value) => amount.format(value).replace("-", "\u2212");

// The width inside the box's padding.
function room(box) {
  const style = getComputedStyle(box);
  return box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
}

// Market time stands still while the exchange is closed, so points stand side by side: x is their number.
function timeAxis(moments, gap) {
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

function valueAxis(lowest) {
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

// The scale of the drawdown, on the right: none, and the deepest.
function drawdownAxis(deepest) {
  return {
    scale: "percent",
    side: 1,
    stroke: ink("bad"),
    font: fontOf(12),
    grid: { show: false },
    ticks: { show: false },
    gap: 4,
    size: 56,
    splits: () => [0, deepest],
    values: (_, splits) => splits.map((value) => `${said(value)}%`),
  };
}

// The last value, written where the line ends, on the side that the line did not come from.
function nameTheEnd(plot) {
  const { ctx, data } = plot;
  const last = data[0].length - 1;
  const ratio = devicePixelRatio;
  const text = money.format(data[1][last]);
  ctx.save();
  ctx.font = `600 ${13 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
  ctx.textAlign = "right";
  ctx.textBaseline = "bottom";
  ctx.lineJoin = "round";
  ctx.lineWidth = 4 * ratio;
  ctx.strokeStyle = ink("surface");
  ctx.fillStyle = ink("accent");
  const [x, y] = [plot.valToPos(data[0][last], "x", true), plot.valToPos(data[1][last], "usd", true)];
  const near = data[1].filter((_, index) => plot.valToPos(data[0][index], "x", true) > x - ctx.measureText(text).width);
  const below = Math.max(...near) - data[1][last] > data[1][last] - Math.min(...near);
  const bottom = below ? y + 22 * ratio : Math.max(y - 6 * ratio, plot.bbox.top + 16 * ratio);
  ctx.strokeText(text, x, bottom);
  ctx.fillText(text, x, bottom);
  ctx.restore();
}

function equityPlot(box, rows) {
  const equity = rows.map(([, value]) => Number(value));
  const drawdown = rows.map(([, , percent]) => Number(percent));
  const [low, high] = [Math.min(...equity), Math.max(...equity)];
  const span = high - low || Math.max(1, high * 0.01);
  const deepest = Math.min(...drawdown);
  const depth = Math.min(deepest, -0.5);
  return new uPlot(
    {
      width: room(box),
      height: HEIGHT.equity,
      padding: [12, 0, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false },
        usd: { range: [low - span * 0.5, high + span * 0.08] },
        percent: { range: [depth, -depth * 3.6] },
      },
      axes: [
        timeAxis(rows.map(([at]) => at), 6),
        { ...valueAxis(low - span * 0.05), scale: "usd" },
        drawdownAxis(deepest),
      ],
      series: [
        {},
        { scale: "usd", stroke: ink("accent"), width: 2, points: { show: false } },
        { scale: "percent", stroke: ink("bad"), width: 1, fill: ink("bad", 0.3), fillTo: 0, points: { show: false } },
      ],
      hooks: { draw: [nameTheEnd] },
    },
    [rows.map((_, index) => index), equity, drawdown],
    box,
  );
}

function daysPlot(box, rows) {
  const results = rows.map(([, result]) => Number(result));
  const bars = (token) => ({
    stroke: ink(token),
    fill: ink(token, 0.85),
    width: 0,
    points: { show: false },
    paths: uPlot.paths.bars({ size: [0.7, 40] }),
  });
  return new uPlot(
    {
      width: room(box),
      height: HEIGHT.days,
      padding: [8, 4, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: [-0.6, Math.max(rows.length, 12) - 0.4] },
        y: { range: (_, low, high) => uPlot.rangeNum(Math.min(low, 0), Math.max(high, 0), 0.1, true) },
      },
      axes: [timeAxis(rows.map(([day]) => day), 6), valueAxis(-Infinity)],
      series: [{}, bars("ok"), bars("bad")],
    },
    [
      rows.map((_, index) => index),
      results.map((result) => (result >= 0 ? result : null)),
      results.map((result) => (result < 0 ? result : null)),
    ],
    box,
  );
}

const draw = { equity: equityPlot, days: daysPlot };

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

document.addEventListener("DOMContentLoaded", drawAll);
addEventListener("tbot:refreshed", drawAll);
addEventListener("tbot:theme", redrawAll);
addEventListener("storage", (event) => event.key === "tbot_theme" && redrawAll());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
