// A cluster opened large, in a dialog above the list.
const dialog = element("dialog", { class: "opened", "aria-labelledby": "opened-title" });
const opened = { group: null, at: -1 };

function buildDialog() {
  const button = (name, label, act, key) => {
    const made = element("button", { type: "button", "aria-label": label, title: key ? `${label} (${key})` : label }, name);
    made.addEventListener("click", act);
    return made;
  };
  opened.title = element("h2", { id: "opened-title", tabindex: "-1" });
  opened.place = element("p", { class: "place" });
  opened.facts = element("dl", { class: "facts-of" });
  opened.marks = element("p", { class: "marks" });
  opened.marking = element("div", { class: "mark-row" });
  opened.plot = element("div", { class: "plot-of" });
  opened.members = element("ul", { class: "tiles members" });
  opened.more = element("p", { class: "hint" });
  opened.previous = button("‹", "Previous cluster", () => step(-1), "k");
  opened.next = button("›", "Next cluster", () => step(1), "j");
  dialog.append(
    element("header", {}, opened.title, opened.marks, opened.place,
      element("span", { class: "walk" }, opened.previous, opened.next, button("×", "Close", () => dialog.close(), "Esc"))),
    opened.marking,
    element("div", { class: "opened-columns" }, buildCompare(), element("section", { class: "about-cluster", "aria-label": "About the cluster" }, opened.facts, opened.plot)),
    element("section", { "aria-label": "Members" }, element("h3", {}, "Members"),
      element("p", { class: "hint" }, "Choose which two are compared: A and B of each, or a picture for B."), opened.members, opened.more));
  document.body.append(dialog);
  opened.members.addEventListener("click", (event) => {
    const item = event.target.closest("li[data-sample]");
    if (!item) return;
    const letter = event.target.closest("button")?.dataset.letter || (event.target.closest(".picture") && "b");
    if (letter) pick(letter, Number(item.dataset.sample));
  });
  opened.marking.addEventListener("click", (event) => markFrom(event, opened.group));
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  dialog.addEventListener("close", () => {
    stopComparing();
    opened.group = null;
    choose({ open: null });
    if (opened.at >= 0) focusCard(opened.at);
  });
}

function openGroup(group, other) {
  opened.group = group;
  opened.at = view.groups.indexOf(group);
  if (opened.at >= 0) setCurrent(opened.at);
  const [first, nearest] = mostAlike(group);
  fillDialog(first, other !== undefined && other !== first ? other : nearest);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  opened.title.focus();
  if (group.cluster && !previewing()) rememberOpen(group.cluster.id);
}

// Whom to compare first: the medoid and the member nearest to it.
function mostAlike({ layer, cluster, members, stop }) {
  if (!cluster || cluster.medoid < 0) return [members[0], members[1] ?? members[0]];
  const others = members.map((_, at) => at).filter((at) => at !== cluster.medoid);
  const distance = (at) => (isLocal(layer) ? linkOf(layer, members[cluster.medoid], members[at], stop)?.distance ?? Infinity : cluster.distances[at]);
  const nearest = others.reduce((a, b) => (distance(b) < distance(a) ? b : a), others[0] ?? cluster.medoid);
  return [members[cluster.medoid], members[nearest]];
}

function fillDialog(a, b) {
  const { group, at } = opened;
  opened.title.textContent = `${titleOf(group)}, ${count(group.size, "sample")}`;
  opened.place.textContent = at >= 0 ? `${thousands(at + 1)} of ${thousands(view.groups.length)}` : "not in the list";
  opened.previous.disabled = at <= 0;
  opened.next.disabled = at < 0 || at + 1 >= view.groups.length;
  opened.marks.replaceChildren(...marksOf(group));
  opened.facts.replaceChildren(...factsOf(group).concat(group.cluster && !isLocal(group.layer) ? [["longest link", number(group.longest)]] : [])
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  showMarking();
  opened.members.replaceChildren(...group.members.map((sample) => memberTile(group, sample)));
  const more = group.size - group.members.length;
  opened.more.textContent = more ? moreText(group, more) : "";
  opened.plot.replaceChildren(...plotOf(group));
  fillPictures();
  showPicked(a, b);
}

function moreText(group, more) {
  if (!group.stubs.length) return `${count(more, "member")} more: see clusters.jsonl.`;
  return `${count(more, "sample")} more, of clusters that this page does not list: that of ${group.stubs.map((stub) => legible(stub.medoid)).slice(0, 3).join(", that of ")}.`;
}

function memberTile(group, sample) {
  const made = tile(group, sample);
  const letter = (name) => element("button", {
    type: "button", "data-letter": name, "aria-pressed": "false", "aria-label": `Compare ${nameOf(sample)} as ${name.toUpperCase()}`,
  }, name.toUpperCase());
  made.append(element("p", { class: "letters" }, letter("a"), letter("b")));
  if (memberOf(group, sample).medoid) made.querySelector(".tags").append(element("span", { class: "medoid" }, "medoid"));
  return made;
}

function pick(letter, sample) {
  const { a, b } = compared;
  if (letter === "a") showPicked(sample, sample === b ? a : b);
  else showPicked(sample === a ? b : a, sample);
}

function showPicked(a, b) {
  for (const button of opened.members.querySelectorAll("button[data-letter]")) {
    const sample = Number(button.closest("li").dataset.sample);
    button.setAttribute("aria-pressed", String(sample === (button.dataset.letter === "a" ? a : b)));
  }
  for (const point of opened.plot.querySelectorAll("[data-sample]")) {
    const sample = Number(point.dataset.sample);
    point.setAttribute("class", sample === a || sample === b ? "picked" : "");
  }
  if (page.pictures) compare(opened.group, a, b);
  else Object.assign(compared, { group: opened.group, a, b }), (compared.facts.textContent = linkText(opened.group, a, b));
}

// The cluster in its own first two components.
function plotOf(group) {
  const xy = group.cluster?.xy;
  if (!xy) return [];
  const column = (k) => group.members.map((_, i) => xy[2 * i + k]);
  const reach = Math.max(...column(0).map(Math.abs), ...column(1).map(Math.abs)) || 1;
  const svg = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const drawing = svg("svg", { viewBox: "-120 -120 240 240", role: "img", "aria-label": "The members in the cluster's first two components; the list of members has them all" });
  drawing.append(svg("path", { d: "M-115 0H115M0 -115V115" }));
  group.members.forEach((sample, i) => {
    const point = svg("circle", { cx: (100 * xy[2 * i]) / reach, cy: (-100 * xy[2 * i + 1]) / reach, r: 5, "data-sample": sample });
    const title = svg("title", {});
    title.textContent = nameOf(sample);
    point.append(title);
    point.addEventListener("click", () => pick("b", sample));
    drawing.append(point);
  });
  return [drawing, element("p", { class: "hint" }, "The cluster in its own first two components.")];
}

function showMarking() {
  const { group } = opened;
  const why = unmarkable(group);
  opened.marking.replaceChildren(element("span", {}, "These samples are"), markButtons(group),
    element("span", { class: "hint" }, why ? `Can't be marked: ${why}.` : "keys 1, 2, 3; 0 clears"));
}

function step(by) {
  const at = opened.at + by;
  if (opened.at >= 0 && at >= 0 && at < view.groups.length) openGroup(view.groups[at]);
}
