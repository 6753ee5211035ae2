// Filters, order, and the marks of reviewers.
const controls = section.querySelector(".controls");
const mostOptions = 1000;
const fields = {};

function buildControls() {
  const choices = element("fieldset", { class: "choices" }, element("legend", {}, "Show"));
  fields.filter = {};
  for (const [value, [name]] of Object.entries(filters)) {
    const input = element("input", { type: "radio", name: "filter", value });
    const n = element("span", { class: "n" });
    fields.filter[value] = { input, n };
    choices.append(element("label", {}, input, element("span", {}, name, " ", n)));
  }
  fields.q = element("input", { type: "search", placeholder: "file, label or split", autocomplete: "off", spellcheck: "false", name: "q" });
  fields.split = element("select", { name: "split" });
  fields.label = element("select", { name: "label" });
  fields.review = select("review", reviews);
  fields.sort = select("sort", sorts);
  fields.min = element("input", { type: "number", name: "min", min: 2, inputmode: "numeric", placeholder: "2" });
  fields.max = element("input", { type: "number", name: "max", min: 2, inputmode: "numeric", placeholder: "any" });
  fields.shown = element("output", { class: "shown", "aria-live": "polite" });
  const more = element("details", { class: "further" }, element("summary", {}, "More filters"), element("div", {},
    field("Splits", "split", fields.split), field("Label", "label", fields.label), field("Review", "reviewed", fields.review),
    element("span", { class: "field size" }, element("span", {}, "Size"),
      labelled(fields.min, "Smallest size"), " to ", labelled(fields.max, "Largest size"))));
  more.open = matchMedia("(min-width: 900px)").matches;
  controls.append(choices, fields.shown, field("Find", "find", fields.q), field("Order", "sort", fields.sort), more);
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", (event) => choose(readField(event.target)));
}

const field = (name, kind, input) => element("label", { class: `field ${kind}` }, element("span", {}, name), input);

function labelled(input, name) {
  input.setAttribute("aria-label", name);
  return input;
}

function select(name, choices) {
  return element("select", { name }, ...Object.entries(choices).map(([value, [says]]) => element("option", { value }, says)));
}

function readField({ name, value }) {
  switch (name) {
    case "split":
    case "label":
      return { [name]: JSON.parse(value) };
    case "min":
    case "max":
      return { [name]: Math.max(0, Math.floor(Number(value))) || 0 };
  }
  return { [name]: value };
}

// The splits that meet in a cluster, and the labels, with the number of clusters of each.
function parts(layer) {
  if (layer.parts) return layer.parts;
  const pairs = new Map(), names = new Map();
  const add = (counts, key) => counts.set(key, (counts.get(key) || 0) + 1);
  for (const { members } of layer.audited) {
    const own = [...new Set(members.map(splitOf))].sort(byCodeUnits);
    own.forEach((a, i) => own.slice(i + 1).forEach((b) => add(pairs, JSON.stringify([a, b]))));
    const held = new Set(members.flatMap((sample) => (labelsOf(sample).length ? labelsOf(sample).map((at) => labels[at]) : [""])));
    for (const label of held) add(names, JSON.stringify([label]));
  }
  const most = (counts) => [...counts].sort(([a, n], [b, m]) => m - n || byCodeUnits(a, b)).slice(0, mostOptions);
  return (layer.parts = { split: most(pairs), label: most(names).sort(([a], [b]) => byCodeUnits(a, b)) });
}

function fillParts(layer) {
  const many = { split: splits.length > 1, label: labels.length > 0 };
  for (const [kind, named] of [["split", splitName], ["label", labelName]]) {
    const options = new Map([["[]", "any"]]);
    const says = (key) => {
      const [a, b] = JSON.parse(key);
      if (b === undefined) return named(a);
      return a === b ? `within ${named(a)}` : `${named(a)} and ${named(b)}`;
    };
    for (const [key, n] of parts(layer)[kind]) options.set(key, `${says(key)} (${thousands(n)})`);
    const now = JSON.stringify(state[kind]);
    if (!options.has(now)) options.set(now, says(now));
    fields[kind].replaceChildren(...[...options].map(([value, text]) => element("option", { value }, text)));
    fields[kind].value = now;
    fields[kind].closest(".field").hidden = !many[kind] && !state[kind].length;
  }
}

function showControls({ all, fitting, chosen }) {
  for (const [value, { input, n }] of Object.entries(fields.filter)) {
    const matching = fitting.filter(filters[value][1]).length;
    n.textContent = thousands(matching);
    input.checked = value === state.filter;
    input.disabled = !matching && value !== state.filter && value !== "all";
  }
  fillParts(chosenLayer());
  if (fields.q.value !== state.q) fields.q.value = state.q;
  fields.review.value = state.review;
  fields.sort.value = state.sort;
  fields.min.value = state.min || "";
  fields.max.value = state.max || "";
  sayShown(chosen.length, all.length);
  showReview();
}

// Who listens hears the number once it stands.
const sayShown = calmly(60, (chosen, all) => {
  fields.shown.value = chosen === all ? count(all, "cluster") : `${thousands(chosen)} of ${count(all, "cluster")}`;
});

// The marks, and their file.
const reviewBox = section.querySelector(".review");

function buildReview() {
  fields.marked = element("p", { class: "marked" });
  fields.told = element("output", { class: "told", "aria-live": "polite" });
  const file = element("input", { type: "file", accept: ".json,application/json", hidden: true });
  const exporting = element("button", { type: "button", class: "export" }, "Export verdicts.json");
  const importing = element("button", { type: "button", class: "import" }, "Import…");
  exporting.addEventListener("click", exportFile);
  importing.addEventListener("click", () => file.click());
  file.addEventListener("change", () => importFile(file));
  fields.reviewer = element("input", { type: "text", class: "reviewer", maxlength: 128, autocomplete: "name", placeholder: "who marks" });
  fields.reason = element("input", { type: "text", class: "reason", maxlength: 1024, placeholder: "why, of the next marks" });
  fields.reviewer.value = remembered();
  fields.reviewer.addEventListener("change", () => remember(fields.reviewer.value));
  reviewBox.append(fields.marked,
    element("label", {}, "Reviewer ", fields.reviewer), element("label", {}, "Reason ", fields.reason),
    element("span", { class: "buttons" }, exporting, importing, file), fields.told,
    element("p", { class: "hint" }, "The next audit reads the file by ", element("code", {}, "spec.duplicates.verdicts"),
      ": what is marked “not copies” is kept apart."));
}

// Who marks is the same person on all pages of a browser.
const reviewerName = "dataset-audit reviewer";

function remembered() {
  try {
    return localStorage.getItem(reviewerName) || "";
  } catch {
    return ""; // there is no storage
  }
}

function remember(name) {
  try {
    localStorage.setItem(reviewerName, name);
  } catch {
    // The name lasts as long as the page is open.
  }
}

function showReview() {
  const layer = chosenLayer();
  const judged = layer.audited.filter(verdictOf).length;
  fields.marked.textContent = `${thousands(judged)} of ${count(layer.audited.length, "cluster")} judged` +
    (verdicts.size > judged ? `, and ${count(verdicts.size - judged, "other set", "other sets")} of samples` : "");
  reviewBox.querySelector(".export").disabled = !verdicts.size;
}

function exportFile() {
  saveAs("verdicts.json", "application/json", exported());
  fields.told.value = `Exported ${count(verdicts.size, "verdict")}.`;
}

async function importFile(file) {
  const [chosen] = file.files;
  file.value = "";
  if (!chosen) return;
  try {
    if (chosen.size > mostBytes) throw new Error("it is larger than 16 MiB");
    const { keys, audit } = imported(await chosen.text());
    const here = chosenLayer().audited.filter((group) => keys.has(keyOf(group))).length;
    fields.told.value = `Imported ${count(keys.size, "verdict")}, ${here} of them on clusters of this page.` +
      (audit && audit !== page.audit ? ` The file is of the audit ${legible(audit)}.` : "");
    afterMarks();
  } catch (error) {
    fields.told.value = `${legible(chosen.name)} was not imported: ${legible(error.message)}.`;
  }
}
