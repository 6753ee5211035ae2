// Putting it together: what is chosen is drawn, and what is done changes what is chosen.
const tabs = [...document.querySelectorAll("[data-layer]")];
const layerSections = [...document.querySelectorAll(".layer")];

function show() {
  layerSections.forEach((element, at) => (element.hidden = at !== state.layer));
  for (const tab of tabs) {
    if (Number(tab.dataset.layer) === state.layer) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
  showFirst();
  showThreshold();
  showMap();
  showGroups();
}

function showGroups() {
  const groups = chosenGroups();
  const current = view.groups[view.current];
  showControls(groups);
  showList(groups.chosen, groups.chosen.indexOf(current));
  section.querySelector(".none").hidden = groups.chosen.length > 0;
}

function choose(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  writeState();
  if (state.layer !== before.layer) {
    if (before.at !== null && changes.at === undefined) state.at = null;
    state.area = ""; // another layer has another map
    writeState();
    show();
  } else if (state.at !== before.at) {
    showThreshold();
    showMapSoon();
    showGroups();
  } else if (Object.keys(changes).some((key) => key !== "open")) {
    if (state.area !== before.area) showMap();
    showGroups();
  }
}

const showMapSoon = calmly(40, showMap);

function rememberOpen(id) {
  state.open = id;
  writeState();
}

// The slider, and what it would mean.
function showThreshold() {
  const layer = chosenLayer();
  const { preview } = layer;
  const { stops, home, top } = preview;
  const box = layerSections[state.layer].querySelector(".preview");
  const note = section.querySelector(".preview-note");
  note.hidden = !previewing();
  if (!box) return;
  const stop = chosenStop();
  const slider = box.querySelector(".slider");
  slider.value = stop;
  const distance = number(stops.distance[stop]);
  slider.setAttribute("aria-valuetext", stop === home ? `${distance}, the audit's threshold` : `distance ${distance}`);
  const moved = layerSections[state.layer].querySelector(".moved");
  moved.hidden = stop === home;
  const place = 100 * (1 - stops.distance[stop] / top);
  moved.style.top = `${Math.max(0, place)}%`;
  moved.firstChild.textContent = `preview ${distance}`;
  const figures = (at) => `${count(stops.clusters[at], "cluster")} of ${count(stops.samples[at], "sample")}, the largest of ${thousands(stops.largest[at])}` +
    (preview.leaking.length || stops.leaks[at] ? `; ${count(stops.leaks[at], "evaluation sample leaks", "evaluation samples leak")}` : "");
  box.querySelector(".effect").value = stop === home
    ? `The audit's threshold, ${distance}: ${figures(home)}.`
    : `At distance ${distance}: ${figures(stop)}. At the audit's, ${number(stops.distance[home])}: ${figures(home)}.`;
  const advice = box.querySelector(".advice");
  advice.hidden = stop === home;
  if (stop === home) return;
  const reset = element("button", { type: "button", class: "reset" }, "Back to the audit's threshold");
  reset.addEventListener("click", () => choose({ at: null }));
  advice.replaceChildren(element("p", {}, "To audit at this distance set"), element("code", {}, adviceAt(layer, stop)), reset);
  note.replaceChildren(
    `Preview at distance ${distance}; the audit used ${number(stops.distance[home])}. The figures above count the whole dataset. ` +
    "The list regroups the clusters that the page holds; of those that it does not list, larger or cut, it knows only what they would be joined to.");
}

// Marks.
function markGroup(group, verdict) {
  mark(group, verdict);
  afterMarks();
}

function markFrom(event, group) {
  const button = event.target.closest("button[data-mark]");
  if (!button) return;
  markGroup(group, button.getAttribute("aria-pressed") === "true" ? undefined : button.dataset.mark);
  const again = [...document.querySelectorAll(`button[data-mark="${button.dataset.mark}"]`)]
    .find((other) => (dialog.open ? dialog.contains(other) : other.closest("article") && cards.get(other.closest("article")) === group));
  again?.focus();
}

function afterMarks() {
  remark();
  if (dialog.open) showMarking();
  showReview();
}

function start() {
  document.documentElement.classList.add("js");
  restoreChanges();
  buildControls();
  buildReview();
  buildDialog();
  buildHelp();
  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      choose({ layer: Number(tab.dataset.layer), open: null });
    });
  }
  for (const slider of document.querySelectorAll(".slider")) {
    slider.addEventListener("input", () => {
      const stop = Number(slider.value);
      choose({ at: stop === chosenLayer().preview.home ? null : stop });
    });
  }
  for (const table of document.querySelectorAll(".matrix")) {
    table.addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      if (!event.target.closest("button")) return;
      const names = chosenLayer().matrices[table.dataset.kind];
      const parts = [names[cell.parentElement.sectionRowIndex], names[cell.cellIndex - 1]];
      choose({ ...plain, layer: state.layer, at: state.at, [table.dataset.kind]: table.dataset.kind === "split" ? parts.sort(byCodeUnits) : parts });
      document.getElementById("clusters-title").focus();
      section.scrollIntoView();
    });
  }
  list.addEventListener("click", (event) => {
    const article = event.target.closest("article");
    if (!article) return;
    const group = cards.get(article);
    if (event.target.closest(".marking")) return markFrom(event, group);
    const picture = event.target.closest(".picture");
    if (picture) openGroup(group, Number(picture.closest("li").dataset.sample));
    else if (event.target.closest(".show")) openGroup(group);
    else focusCard(Number(article.dataset.at));
  });
  section.querySelector(".none button").addEventListener("click", () => choose({ ...plain, layer: state.layer, at: state.at }));
  document.addEventListener("keydown", onKey);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", showMap);
  scheme.addEventListener("change", redrawAtlases);
  addEventListener("resize", showMapSoon);
  addEventListener("resize", calmly(80, redrawAtlases));
  addEventListener("hashchange", readAndShow);
  readAndShow();
  watchAtlases();
  buildTiles();
  readSaved();
}

function readAndShow() {
  readState();
  show();
  if (state.open === null || dialog.open) return;
  const group = view.groups.find((group) => group.cluster?.id === state.open) || chosenLayer().audited.find((group) => group.cluster.id === state.open);
  if (group) openGroup(group);
}

start();
