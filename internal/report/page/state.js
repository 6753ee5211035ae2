// What is shown stands in the address after #, so that a link or a reload shows the same:
// #layer=1&filter=leaks&split=train&split=test&label=cat&min=3&review=unjudged&sort=size&q=dog&area=0.0_500.0_500.500&at=12&open=17
const plain = { layer: 0, filter: "all", split: [], label: [], min: 0, max: 0, review: "", sort: "tight", q: "", area: "", at: null, open: null };
const state = { ...plain };
const layerCount = document.querySelectorAll(".layer").length;

const filters = {
  all: ["All", () => true],
  leaks: ["Leaks", (group) => group.leaks > 0],
  conflicts: ["Label conflicts", (group) => group.conflicts > 0],
  copies: ["Exact copies", (group) => group.copies > 0],
};
const sorts = {
  tight: ["tightest first", (a, b) => a.rank - b.rank],
  size: ["largest first", (a, b) => b.size - a.size || a.rank - b.rank],
  leakage: ["most leaking first", (a, b) => b.leaks - a.leaks || a.rank - b.rank],
};
const reviews = {
  "": ["judged or not", () => true],
  unjudged: ["not judged", (verdict) => !verdict],
  judged: ["judged", (verdict) => Boolean(verdict)],
  ...Object.fromEntries(Object.entries(verdictNames).map(([verdict, name]) => [verdict, [name, (given) => given === verdict]])),
};

const has = (choices, key) => Object.hasOwn(choices, key);

function readState() {
  const hash = location.hash.slice(1);
  if (hash && document.getElementById(hash) && !hash.startsWith("layer-")) return; // a place of the page
  Object.assign(state, plain);
  const section = /^layer-(\d+)$/.exec(hash);
  const said = new URLSearchParams(section ? { layer: section[1] } : hash);
  const whole = (key, most) => {
    const n = Number(said.get(key));
    return said.has(key) && Number.isInteger(n) && n >= 0 && n <= most ? n : plain[key];
  };
  state.layer = whole("layer", layerCount - 1);
  if (has(filters, said.get("filter"))) state.filter = said.get("filter");
  if (has(sorts, said.get("sort"))) state.sort = said.get("sort");
  if (has(reviews, said.get("review"))) state.review = said.get("review");
  state.split = said.getAll("split").slice(0, 2);
  state.label = said.getAll("label").slice(0, 2);
  state.min = whole("min", 1e9);
  state.max = whole("max", 1e9);
  state.q = said.get("q") || "";
  state.area = cornersOf(said.get("area") || "").length ? said.get("area") : "";
  state.at = whole("at", layerOf(state.layer).preview.stops.distance.length - 1);
  state.open = whole("open", Number.MAX_SAFE_INTEGER);
}

function writeState() {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    if (Array.isArray(value)) value.forEach((item) => said.append(key, item));
    else if (value !== plain[key]) said.set(key, value);
  }
  history.replaceState(null, "", `#${said}`);
}

const chosenLayer = () => layerOf(state.layer);
const chosenStop = () => state.at ?? chosenLayer().preview.home;
const previewing = () => chosenStop() !== chosenLayer().preview.home;

// The groups that fit all filters but the first, and of them those that fit that one, in order.
function chosenGroups() {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const [, reviewed] = reviews[state.review];
  const fits = (group) =>
    (!state.min || group.size >= state.min) && (!state.max || group.size <= state.max) &&
    holds(group, state.split, (sample) => [splitOf(sample)]) &&
    holds(group, state.label, (sample) => (labelsOf(sample).length ? labelsOf(sample).map((at) => labels[at]) : [""])) &&
    (!state.review || reviewed(verdictOf(group))) &&
    (!corners.length || group.members.some((sample) => placesOf(layer).has(sample) && isInside(corners, placesOf(layer).get(sample)))) &&
    (!words.length || words.every((word) => textOf(group).includes(word)));
  const layer = chosenLayer();
  const corners = cornersOf(state.area);
  const all = groupsAt(layer, chosenStop());
  const fitting = all.filter(fits);
  return {
    all, fitting,
    chosen: fitting.filter(filters[state.filter][1]).sort(sorts[state.sort][1]),
  };
}

// Whether different members of a group are in each of one or two parts.
function holds(group, parts, of) {
  if (!parts.length) return true;
  const [first, second] = parts.map((part) => group.members.filter((sample) => of(sample).includes(part)));
  if (!second) return first.length > 0;
  return first.length > 0 && second.length > 0 && (first.length > 1 || second.length > 1 || first[0] !== second[0]);
}
