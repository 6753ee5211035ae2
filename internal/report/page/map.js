// The dataset in its first two components: an even choice of its samples, and those in clusters. A text says the same.
const nearEnough = 10; // pixels

function showMap() {
  const layer = chosenLayer();
  const figure = document.querySelector(`#layer-${state.layer} .map`);
  const canvas = figure.querySelector("canvas");
  figure.hidden = !layer.plane.length;
  if (figure.hidden) return;
  const groups = groupsAt(layer, chosenStop());
  drawMap(canvas, layer, groups);
  const leaking = groups.filter((group) => group.leaks).length;
  const conflicting = groups.filter((group) => group.conflicts && !group.leaks).length;
  const says = [`${count(groups.length, "cluster")}`];
  if (leaking) says.push(`${thousands(leaking)} of them leak`);
  if (conflicting) says.push(`${thousands(conflicting)} contradict in their labels`);
  canvas.setAttribute("aria-label", `The dataset in its first two components: ${count(layer.plane.length / 2, "sample")}, ${says.join(", ")}. The list below names the clusters.`);
  if (!canvas.dataset.built) buildMap(figure, canvas);
  sayMap(figure, null);
}

// Where the page knows samples to be, from 0 to 1000.
function placesOf(layer) {
  if (layer.places) return layer.places;
  layer.places = new Map();
  for (const { members, plane } of layer.clusters) {
    members.forEach((sample, i) => layer.places.set(sample, [plane[2 * i], plane[2 * i + 1]]));
  }
  return layer.places;
}

// An area of the map, which filters the list, is a polygon: its corners, x.y joined by _.
const mostCorners = 40;

function cornersOf(area) {
  const corners = area.split("_").map((corner) => corner.split(".").map(Number));
  const sound = corners.length >= 3 && corners.length <= mostCorners &&
    corners.every((corner) => corner.length === 2 && corner.every((x) => Number.isInteger(x) && x >= -100 && x <= 1100));
  return sound ? corners : [];
}

// Whether a line to the right crosses the outline an odd number of times.
function isInside(corners, [x, y]) {
  let inside = false;
  let [x2, y2] = corners[corners.length - 1];
  for (let i = 0; i < corners.length; i++) { // of tens of thousands of points: no array a corner
    const x1 = corners[i][0], y1 = corners[i][1];
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) inside = !inside;
    x2 = x1;
    y2 = y1;
  }
  return inside;
}

function drawMap(canvas, layer, groups) {
  const width = canvas.clientWidth, height = canvas.clientHeight, scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const color = (name) => style.getPropertyValue(name);
  const at = ([x, y]) => [8 + (x / 1000) * (width - 16), height - 8 - (y / 1000) * (height - 16)];
  canvas.fromPointer = ([x, y]) => [(1000 * (x - 8)) / (width - 16), (1000 * (height - 8 - y)) / (height - 16)].map(Math.round);
  context.fillStyle = color("--soft");
  context.globalAlpha = 0.28;
  for (let i = 0; i < layer.plane.length; i += 2) dot(context, at([layer.plane[i], layer.plane[i + 1]]), 1.3);
  context.globalAlpha = 0.9;
  const points = []; // [x, y, group], for the pointer
  for (const [kind, name, radius] of [["other", "--blue", 2.2], ["conflicts", "--violet", 2.8], ["leaks", "--red", 2.8]]) {
    context.fillStyle = color(name);
    for (const group of groups) {
      if (kindOf(group) !== kind) continue;
      for (const sample of group.members) {
        const place = placesOf(layer).get(sample);
        if (!place) continue;
        const [x, y] = at(place);
        dot(context, [x, y], radius);
        points.push([x, y, group]);
      }
    }
  }
  canvas.points = points;
  const corners = canvas.drawing || cornersOf(state.area);
  if (!corners.length) return;
  context.strokeStyle = color("--text");
  context.lineWidth = 1.5;
  context.globalAlpha = 1;
  context.beginPath();
  for (const corner of corners) context.lineTo(...at(corner));
  if (!canvas.drawing) context.closePath();
  context.stroke();
}

const kindOf = (group) => (group.leaks ? "leaks" : group.conflicts ? "conflicts" : "other");

function dot(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

function buildMap(figure, canvas) {
  canvas.dataset.built = "yes";
  const clear = element("button", { type: "button", class: "clear" }, "List all again");
  clear.addEventListener("click", () => {
    choose({ area: "" });
    document.getElementById("clusters-title").focus();
  });
  figure.append(clear);
  const nearest = (event) => {
    let best = null, least = nearEnough ** 2;
    for (const point of canvas.points) {
      const distance = (point[0] - event.offsetX) ** 2 + (point[1] - event.offsetY) ** 2;
      if (distance < least) [best, least] = [point[2], distance];
    }
    return best;
  };
  // A line around points filters the list. The click that ends it opens no cluster, another one does.
  let line = null, drawn = false;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    [line, drawn] = [[[event.offsetX, event.offsetY]], false];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (line && event.isPrimary) {
      line.push([event.offsetX, event.offsetY]);
      drawn ||= line.some((point) => Math.hypot(point[0] - line[0][0], point[1] - line[0][1]) > nearEnough);
      canvas.drawing = drawn ? line.map(canvas.fromPointer) : null;
      if (drawn) showMapSoon();
      return;
    }
    const group = nearest(event);
    canvas.style.cursor = group ? "pointer" : "crosshair";
    sayMap(figure, group);
  });
  const end = (event) => {
    if (!line || !event.isPrimary) return;
    const corners = drawn && event.type === "pointerup" ? line.concat([[event.offsetX, event.offsetY]]).map(canvas.fromPointer) : [];
    line = canvas.drawing = null;
    const step = Math.ceil(corners.length / mostCorners);
    const inFrame = (x) => Math.max(-100, Math.min(1100, x));
    const area = corners.filter((_, i) => i % step === 0).map((corner) => corner.map(inFrame).join(".")).join("_");
    if (cornersOf(area).length) choose({ area });
    else showMap();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("click", (event) => {
    const group = !drawn && nearest(event);
    if (group) openGroup(group);
  });
  canvas.addEventListener("pointerleave", () => sayMap(figure, null));
}

function sayMap(figure, group) {
  const caption = figure.querySelector("figcaption");
  if (group) {
    caption.textContent = `${titleOf(group)}: ${count(group.size, "sample")}, ${nameOf(group.members[0])}`;
    return;
  }
  const key = (kind, text) => [element("span", { class: `key ${kind}` }), text];
  caption.replaceChildren("Its first two components. ", ...key("others", "clusters "), ...key("leaks", "that leak "),
    ...key("conflicts", "whose labels contradict "), ...key("samples", "other samples"), element("span", { class: "screen" }, areaWords()));
  figure.querySelector(".clear").hidden = !state.area;
}

// What an area does, or how to draw one.
function areaWords() {
  if (!state.area) return ". Draw a line around points to list their clusters alone.";
  return `. The list holds the clusters with a sample inside the line${previewing() ? ", of those that the audit found" : ""}.`;
}
