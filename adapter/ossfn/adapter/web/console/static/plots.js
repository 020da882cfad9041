// The overview's plots: fetches the columns every five seconds and draws them with uPlot.
const all = document.getElementById("plots");
const target = document.getElementById("plot-target");
const probe = document.createElement("span");
document.body.append(probe);
const colour = (name) => {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
};
const COLOURS = ["accent", "warn", "bad"];
const HEIGHT = 170;

const clock = (at, length) => (at == null ? "--" : new Date(at * 1000).toISOString().slice(11, 11 + length));

const axis = () => ({ stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" });

const options = (box) => ({
  width: box.clientWidth,
  height: HEIGHT,
  cursor: { y: false, drag: { x: false, y: false } },
  scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
  axes: [{ ...axis(), values: (_plot, times) => times.map((at) => clock(at, 5)) }, { ...axis(), size: 52 }],
  series: [
    { label: "UTC", value: (_plot, at) => clock(at, 8) },
    ...box.dataset.names.split("|").map((label, index) => ({ label, stroke: colour(COLOURS[index]), width: 1.5, spanGaps: true, points: { show: true, size: 3 } })),
  ],
});

const columns = (box, data) => [data.at, ...box.dataset.series.split(" ").map((name) => data[name])];

const drawn = new Map();
let latest = null;

function draw() {
  for (const box of all.querySelectorAll(".plot")) {
    const plot = drawn.get(box);
    if (plot) plot.setData(columns(box, latest));
    else drawn.set(box, new uPlot(options(box), columns(box, latest), box));
  }
}

function redraw() {
  for (const plot of drawn.values()) plot.destroy();
  drawn.clear();
  if (latest) draw();
}

async function refresh() {
  try {
    const answer = await fetch(`${all.dataset.source}?target=${encodeURIComponent(target.value)}`);
    if (!answer.ok || !answer.headers.get("content-type").startsWith("application/json")) return;
    latest = await answer.json();
    draw();
  } catch {
    // The service is away; the next time it may answer.
  }
}

target.addEventListener("change", refresh);
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
setInterval(refresh, 5000);
refresh();
