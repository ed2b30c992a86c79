// The plots. What they show is also said in words and listed as a table by the server.

import { drawPlots, fontOf, ink, money, room, said, timeAxis, valueAxis } from "../plot.js";

const HEIGHT = { equity: 230, days: 180 };

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

drawPlots({ equity: equityPlot, days: daysPlot });
