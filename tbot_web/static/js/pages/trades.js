// The price around a trade: minutes as candles, hollow where they rose and filled where they fell, and the trade in them.
import { drawPlots, fontOf, ink, room, timeAxis, valueAxis } from "../plot.js";

const HEIGHT = 320;
//: Lines further away than so many spans of the candles are named at the edge instead of flattening everything.
const REACH = 1.5;
const price = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const clock = (moment) => moment.slice(11, 16);
const number = (text) => (text === null ? null : Number(text));

function tradePlot(box, facts) {
  const [open, high, low, close, stop] = [1, 2, 3, 4, 5].map((part) => facts.bars.map((bar) => number(bar[part])));
  const range = rangeOf(low, high, [number(facts.target), ...stop].filter((level) => level !== null));
  const narrow = room(box) < 480;
  const show = reader(box, facts.bars);
  const plot = new uPlot(
    {
      width: room(box),
      height: HEIGHT,
      padding: [16, narrow ? 98 : 112, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: [-1, facts.bars.length] }, y: { range } },
      axes: [timeAxis(facts.bars.map(([at]) => at), 6), { ...valueAxis(-Infinity), size: narrow ? 46 : 64 }],
      series: [
        {},
        { show: false },
        { stroke: ink("bad"), width: 2, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) },
      ],
      hooks: {
        drawAxes: [(drawn) => drawStay(drawn, facts)],
        drawSeries: [(drawn, index) => index === 2 && drawTrade(drawn, { open, high, low, close }, facts)],
        draw: [(drawn) => nameLines(drawn, facts, stop, close)],
        setCursor: [(drawn) => show(drawn.cursor.idx)],
      },
    },
    [facts.bars.map((_, index) => index), close, stop],
    box,
  );
  show.attach((index) => plot.setCursor({ left: plot.valToPos(index, "x"), top: 0 }));
  return plot;
}

// The candles, and the lines that are near enough to them.
function rangeOf(low, high, levels) {
  const [bottom, top] = [Math.min(...low), Math.max(...high)];
  const span = top - bottom || top * 0.001;
  const near = levels.filter((level) => level > bottom - span * REACH && level < top + span * REACH);
  const [least, most] = [Math.min(bottom, ...near), Math.max(top, ...near)];
  const room = (most - least || span) * 0.08;
  return [least - room, most + room];
}

const x = (plot, index) => plot.valToPos(index, "x", true);
const y = (plot, value) => plot.valToPos(value, "y", true);

function inside(plot, paint) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, devicePixelRatio);
  ctx.restore();
}

// From the way in to the way out: from entry price to exit price, softly in the colour of the result.
function drawStay(plot, facts) {
  const entry = facts.marks.find((mark) => mark.what === "in");
  if (!entry) return;
  const out = facts.marks.findLast((mark) => mark.what === "out" && facts.exit !== null);
  const [from, to] = [entry.bar, out ? out.bar : facts.bars.length - 1];
  const until = Number(facts.exit ?? facts.bars.at(-1)[4]);
  inside(plot, (ctx, ratio) => {
    const [top, bottom] = [y(plot, Math.max(Number(facts.entry), until)), y(plot, Math.min(Number(facts.entry), until))];
    ctx.fillStyle = ink(facts.gains === null ? "muted" : facts.gains ? "ok" : "bad", 0.14);
    ctx.fillRect(x(plot, from), top, x(plot, to) - x(plot, from), bottom - top);
    if (facts.target === null) return;
    ctx.strokeStyle = ink("ok");
    ctx.lineWidth = 2 * ratio;
    ctx.setLineDash([6 * ratio, 4 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x(plot, from), y(plot, Number(facts.target)));
    ctx.lineTo(x(plot, to), y(plot, Number(facts.target)));
    ctx.stroke();
  });
}

function drawTrade(plot, bars, facts) {
  inside(plot, (ctx, ratio) => {
    const step = x(plot, 1) - x(plot, 0);
    const width = Math.max(ratio, Math.min(step * 0.7, 9 * ratio));
    ctx.lineWidth = Math.max(1, Math.min(ratio, width / 2));
    const [up, down, surface] = [ink("text"), ink("muted"), ink("surface")];
    bars.open.forEach((opened, index) => {
      const rose = bars.close[index] >= opened;
      const hollow = rose && width > 3 * ratio;
      const [middle, top, bottom] = [x(plot, index), y(plot, Math.max(opened, bars.close[index])), y(plot, Math.min(opened, bars.close[index]))];
      ctx.strokeStyle = rose ? up : down;
      ctx.fillStyle = hollow ? surface : rose ? up : down;
      ctx.beginPath();
      ctx.moveTo(middle, y(plot, bars.high[index]));
      ctx.lineTo(middle, y(plot, bars.low[index]));
      ctx.stroke();
      const height = Math.max(bottom - top, ratio);
      ctx.fillRect(middle - width / 2, top, width, height);
      if (hollow) ctx.strokeRect(middle - width / 2, top, width, height);
    });
    facts.marks.forEach((mark) => drawMark(plot, ctx, ratio, mark));
    const [first, last] = [facts.marks.find(({ what }) => what === "in"), facts.marks.findLast(({ what }) => what === "out")];
    for (const mark of [first, last]) if (mark) nameMark(plot, ctx, ratio, mark);
  });
}

const wayOf = (mark) => (mark.side === "buy" ? 1 : -1);
const tipOf = (plot, mark) => [x(plot, mark.bar), y(plot, Number(mark.price))];

// A buy points up from below its price, a sale down from above it.
function drawMark(plot, ctx, ratio, mark) {
  const way = wayOf(mark);
  const [left, tip] = tipOf(plot, mark);
  ctx.beginPath();
  ctx.moveTo(left, tip + 2 * ratio * way);
  ctx.lineTo(left - 7 * ratio, tip + 15 * ratio * way);
  ctx.lineTo(left + 7 * ratio, tip + 15 * ratio * way);
  ctx.closePath();
  ctx.lineWidth = 3 * ratio;
  ctx.lineJoin = "round";
  ctx.strokeStyle = ink("surface");
  ctx.stroke();
  ctx.fillStyle = ink("accent");
  ctx.fill();
}

// The first way in and the last way out say so.
function nameMark(plot, ctx, ratio, mark) {
  const way = wayOf(mark);
  const [left, tip] = tipOf(plot, mark);
  ctx.lineWidth = 4 * ratio;
  ctx.font = `600 ${fontOf(12 * ratio)}`;
  ctx.textAlign = "center";
  ctx.textBaseline = way > 0 ? "top" : "bottom";
  ctx.strokeText(mark.what, left, tip + 18 * ratio * way);
  ctx.fillText(mark.what, left, tip + 18 * ratio * way);
}

// Each line is named on the right at its height; names that would cover each other move apart.
function nameLines(plot, facts, stops, close) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const last = stops.findLast((stop) => stop !== null);
  const wanted = [
    ["target", facts.target, "ok"],
    ["out", facts.exit, "accent"],
    ["in", facts.entry, "accent"],
    ["stop", last, "bad"],
    ["now", facts.exit === null ? close.at(-1) : null, "text"],
  ];
  const names = wanted
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([word, value, token]) => place(plot, word, Number(value), token))
    .sort((one, other) => one.at - other.at);
  const height = 16 * ratio;
  names.forEach((name, index) => {
    if (index) name.at = Math.max(name.at, names[index - 1].at + height);
  });
  const over = (names.at(-1)?.at ?? 0) - (bbox.top + bbox.height - height / 2);
  ctx.save();
  ctx.font = `600 ${fontOf(12 * ratio)}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const name of names) {
    ctx.fillStyle = ink(name.token);
    ctx.fillText(name.text, bbox.left + bbox.width + 8 * ratio, name.at - Math.max(0, over));
  }
  ctx.restore();
}

function place(plot, word, value, token) {
  const { top, height } = plot.bbox;
  const at = y(plot, value);
  const away = at < top ? " ↑" : at > top + height ? " ↓" : "";
  return { text: `${word} ${price.format(value)}${away}`, token, at: Math.min(Math.max(at, top), top + height) };
}

// What the minute under the pointer, or chosen by the keyboard, was.
function reader(box, bars) {
  const reading = box.parentElement.querySelector("[data-reading]");
  const [slider, output] = [reading.querySelector("input"), reading.querySelector("output")];
  reading.hidden = false;
  const show = (index) => {
    if (index === null || index === undefined || !bars[index]) return;
    const [at, opened, high, low, closed, stop] = bars[index];
    const figures = [["open", opened], ["high", high], ["low", low], ["close", closed], ["stop", stop]];
    const said = figures.filter(([, value]) => value !== null).map(([word, value]) => `${word} ${price.format(value)}`);
    output.textContent = `${clock(at)} UTC: ${said.join(", ")}`;
    slider.value = index;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  show.attach = (move) => {
    slider.oninput = () => {
      show(Number(slider.value));
      move(Number(slider.value));
    };
    show(Number(slider.value));
  };
  return show;
}

drawPlots({ trade: tradePlot });
