// The map of a layer, where the report has one: its samples in the plane, near ones together. A line around points selects them, and
// what is selected can be saved.
const mapSide = 4000, mostSelected = 60;
const mapFindings = ["nothing", "a poor image", "in a cluster", "out of place", "a suspect label", "leaks"];
const findingColors = ["--soft", "--green", "--blue", "--amber", "--violet", "--red"];
const maps = new Map();

// A map is read and drawn when it comes near the window: a reader of the clusters doesn't wait for it.
function watchAtlases() {
  const watch = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => showAtlas(entry.target)), { rootMargin: "50%" });
  for (const figure of document.querySelectorAll(".atlas")) watch.observe(figure);
}

function showAtlas(figure) {
  let map = maps.get(figure);
  if (!map) {
    map = { data: block(`map-data-${figure.closest(".layer").id.slice("layer-".length)}`), by: "finding", selected: [], figure, line: null };
    maps.set(figure, map);
    buildAtlas(map);
  }
  drawAtlas(map);
}

const redrawAtlases = () => maps.forEach(drawAtlas);

// What points can be colored by: a name for each value, or a scale.
function coloring({ data, by }) {
  switch (by) {
    case "label": return { of: (i) => data.label[i], names: data.labels.map(labelName) };
    case "split": return { of: (i) => data.split[i], names: data.splits.map(splitName) };
    case "familiar": return { of: (i) => data.familiar[i], scale: true };
    default: return { of: (i) => data.finding[i], names: mapFindings };
  }
}

// Colors of names: those of findings are the page's, others go round the wheel in steps that keep neighbors apart.
function colorOf(style, { by }, value) {
  if (by === "finding") return style.getPropertyValue(findingColors[value]);
  if (by === "familiar") return `hsl(${Math.round(20 + 2 * value)} 75% 50%)`;
  return `hsl(${Math.round((value * 137.5 + 215) % 360)} 65% ${value % 2 ? 45 : 58}%)`;
}

// The points are painted once for each look; a line is drawn over them.
function drawAtlas(map) {
  const canvas = map.figure.querySelector("canvas");
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = devicePixelRatio;
  if (!width) return;
  const style = getComputedStyle(canvas);
  const look = [width, height, scale, map.by, style.getPropertyValue("--text")].join();
  if (map.look !== look) {
    map.points = element("canvas");
    [map.points.width, map.points.height] = [width * scale, height * scale];
    paintPoints(map, map.points.getContext("2d"), { width, height, scale, style });
    if (canvas.width !== map.points.width || canvas.height !== map.points.height) {
      [canvas.width, canvas.height, map.line] = [map.points.width, map.points.height, null]; // the line was about other places
    }
    map.look = look;
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(map.points, 0, 0);
  if (!map.line) return;
  context.scale(scale, scale);
  context.strokeStyle = style.getPropertyValue("--text");
  context.lineWidth = 1.5;
  context.beginPath();
  for (const corner of map.line) context.lineTo(...corner);
  if (!map.drawing) context.closePath();
  context.stroke();
}

function paintPoints(map, context, { width, height, scale, style }) {
  const { data } = map;
  context.scale(scale, scale);
  const side = Math.min(width, height) - 16, left = (width - side) / 2, top = (height - side) / 2;
  map.at = (i) => [left + (data.x[i] / mapSide) * side, top + side - (data.y[i] / mapSide) * side];
  const { of } = coloring(map);
  // One path a color, and marked findings over the others.
  const order = new Map();
  data.x.forEach((_, i) => {
    const value = of(i);
    if (!order.has(value)) order.set(value, []);
    order.get(value).push(i);
  });
  const radius = data.x.length > 20000 ? 1 : data.x.length > 3000 ? 1.6 : 2.4;
  for (const [value, points] of [...order].sort((a, b) => a[0] - b[0])) {
    const quiet = map.by === "finding" && value === 0;
    context.globalAlpha = quiet ? 0.35 : 0.85;
    context.fillStyle = colorOf(style, map, value);
    const r = map.by === "finding" && value > 0 ? radius + 0.8 : radius;
    context.beginPath();
    for (const i of points) {
      const [x, y] = map.at(i);
      context.rect(x - r, y - r, 2 * r, 2 * r);
    }
    context.fill();
  }
}

function buildAtlas(map) {
  const { data, figure } = map;
  const canvas = figure.querySelector("canvas");
  const choices = [["finding", "what was found"], ["label", "label"], ["split", "split"], ["familiar", "familiarity"]]
    .filter(([by]) => (by === "label" ? data.labels.length > 1 : by === "split" ? data.splits.length > 1 : by !== "familiar" || data.familiar));
  const select = element("select", {}, ...choices.map(([by, text]) => element("option", { value: by }, text)));
  select.addEventListener("change", () => {
    map.by = select.value;
    drawAtlas(map);
    sayAtlas(map);
  });
  figure.querySelector(".atlas-controls").append(element("label", {}, "Color by ", select));
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    [map.line, map.drawing] = [[[event.offsetX, event.offsetY]], true];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!map.drawing || !event.isPrimary) return;
    map.line.push([event.offsetX, event.offsetY]);
    drawAtlasSoon(map);
  });
  const end = (event) => {
    if (!map.drawing || !event.isPrimary) return;
    map.drawing = false;
    map.selected = map.line.length > 2 ? data.x.flatMap((_, i) => (isInside(map.line, map.at(i)) ? [i] : [])) : [];
    if (!map.selected.length) map.line = null;
    drawAtlas(map);
    sayAtlas(map);
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  sayAtlas(map);
}

const drawAtlasSoon = (map) => {
  if (map.waits) return;
  map.waits = true;
  requestAnimationFrame(() => {
    map.waits = false;
    drawAtlas(map);
  });
};

function sayAtlas(map) {
  const { data, figure, selected } = map;
  const canvas = figure.querySelector("canvas");
  const style = getComputedStyle(canvas);
  const { names, of } = coloring(map);
  const key = (value, text) => {
    const dot = element("span", { class: "key" });
    dot.style.background = colorOf(style, map, value);
    return element("span", { class: "named" }, dot, text);
  };
  const counts = new Map();
  data.x.forEach((_, i) => counts.set(of(i), (counts.get(of(i)) || 0) + 1));
  const most = 16;
  const keys = names
    ? [...counts].sort((a, b) => b[1] - a[1]).slice(0, most).map(([value, n]) => key(value, `${names[value]} ${thousands(n)}`))
    : [key(0, "least familiar"), key(100, "most familiar")];
  if (names && counts.size > most) keys.push(` and ${thousands(counts.size - most)} more`);
  const shown = data.x.length < data.all ? `${thousands(data.x.length)} of ${count(data.all, "sample")}` : count(data.all, "sample");
  figure.querySelector("figcaption").replaceChildren(`${shown}. `, ...keys);
  canvas.setAttribute("aria-label", `The map: ${shown}, near ones together. ${names ? [...counts].map(([value, n]) => `${names[value]} ${n}`).slice(0, most).join(", ") : "colored by familiarity"}.`);
  const chosen = figure.querySelector(".selected");
  if (!selected.length) {
    chosen.replaceChildren(element("p", { class: "hint" }, "Draw a line around points to see what they are. Near points are alike; how far clusters lie apart, and how large they are, means little."));
    return;
  }
  const save = element("button", { type: "button" }, "Save as CSV");
  save.addEventListener("click", () => saveSelected(map));
  const clear = element("button", { type: "button" }, "Clear");
  clear.addEventListener("click", () => {
    [map.selected, map.line] = [[], null];
    drawAtlas(map);
    sayAtlas(map);
  });
  const pictured = selected.filter((i) => data.sample[i] >= 0 && samples.picture[data.sample[i]] >= 0);
  const tiles = pictured.slice(0, mostSelected).map((i) => element("figure", {}, pictureOf(data.sample[i]),
    element("figcaption", {}, element("b", {}, legible(data.id[i])), element("span", {}, [splitName(data.splits[data.split[i]]), labelName(data.labels[data.label[i]])].join(" · ")))));
  chosen.replaceChildren(element("p", { role: "status" }, `${count(selected.length, "sample")} selected${pictured.length < selected.length ? `; the page has pictures of ${thousands(pictured.length)}` : ""}. `, save, " ", clear),
    element("div", { class: "selection" }, ...tiles));
  fillPictures();
}

// The selection as RFC 4180 quotes it.
function saveSelected({ data, selected }) {
  const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = selected.map((i) => [data.id[i], data.splits[data.split[i]], data.labels[data.label[i]]].map(quoted).join(","));
  saveAs("selection.csv", "text/csv", ["id,split,label", ...rows, ""].join("\r\n"));
}
