// The dataset in its first two components: an even choice of its samples, and those in clusters. A text says the same.
const nearEnough = 10; // pixels

function showMap() {
  const layer = chosenLayer();
  const figure = document.querySelector(`#layer-${state.layer} .map`);
  const canvas = figure.querySelector("canvas");
  figure.hidden = !layer.plane.length;
  if (figure.hidden) return;
  layer.placeOf ??= placesOf(layer);
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

// Where the page knows a sample to be, from 0 to 1000.
function placesOf(layer) {
  const places = new Map();
  for (const { members, plane } of layer.clusters) {
    members.forEach((sample, i) => places.set(sample, [plane[2 * i], plane[2 * i + 1]]));
  }
  return places;
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
        const place = layer.placeOf.get(sample);
        if (!place) continue;
        const [x, y] = at(place);
        dot(context, [x, y], radius);
        points.push([x, y, group]);
      }
    }
  }
  canvas.points = points;
}

const kindOf = (group) => (group.leaks ? "leaks" : group.conflicts ? "conflicts" : "other");

function dot(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

function buildMap(figure, canvas) {
  canvas.dataset.built = "yes";
  const nearest = (event) => {
    let best = null, least = nearEnough ** 2;
    for (const point of canvas.points) {
      const distance = (point[0] - event.offsetX) ** 2 + (point[1] - event.offsetY) ** 2;
      if (distance < least) [best, least] = [point[2], distance];
    }
    return best;
  };
  canvas.addEventListener("pointermove", (event) => {
    const group = nearest(event);
    canvas.style.cursor = group ? "pointer" : "";
    sayMap(figure, group);
  });
  canvas.addEventListener("pointerleave", () => sayMap(figure, null));
  canvas.addEventListener("click", (event) => {
    const group = nearest(event);
    if (group) openGroup(group);
  });
}

function sayMap(figure, group) {
  const caption = figure.querySelector("figcaption");
  if (group) {
    caption.textContent = `${titleOf(group)}: ${count(group.size, "sample")}, ${nameOf(group.members[0])}`;
    return;
  }
  const key = (kind, text) => [element("span", { class: `key ${kind}` }), text];
  caption.replaceChildren("Its first two components. ", ...key("others", "clusters "), ...key("leaks", "that leak "),
    ...key("conflicts", "whose labels contradict "), ...key("samples", "other samples"));
}
