// The clusters at another distance. The links of the forest, closest first, join what they link; a stop of the slider is a number
// of them. Figures of the whole dataset come with the stops; clusters are made again of the samples that the page names.
function groupsAt(layer, stop) {
  if (stop === layer.preview.home) return layer.audited;
  if (!layer.groups.has(stop)) {
    if (layer.groups.size > 8) layer.groups.clear();
    layer.groups.set(stop, regroup(layer, stop));
  }
  return layer.groups.get(stop);
}

function regroup(layer, stop) {
  const { forest, others, stubs, stops } = layer.preview;
  const total = samples.id.length;
  const parent = new Int32Array(total + stubs.length).map((_, i) => i);
  const find = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  const longest = new Float64Array(parent.length);
  const touched = new Set(); // what may be in a cluster
  const join = (a, b, distance) => {
    touched.add(a).add(b);
    a = find(a);
    b = find(b);
    parent[Math.max(a, b)] = Math.min(a, b);
    longest[Math.min(a, b)] = distance; // they come in ascending order
  };
  const at = (end) => (end < 0 ? total - 1 - end : end);
  for (const rows of layer.copies) for (const row of rows) join(rows[0], row, 0);
  for (let i = 0; i < stops.forest[stop]; i++) join(at(forest.a[i]), at(forest.b[i]), forest.distance[i]);

  const parts = new Map();
  for (const vertex of touched) {
    const root = find(vertex);
    if (!parts.has(root)) parts.set(root, []);
    parts.get(root).push(vertex);
  }
  const conflicts = conflictsBy(layer, stop, (sample) => find(sample));
  const groups = [];
  for (const [root, vertices] of parts) {
    vertices.sort((a, b) => a - b);
    const members = vertices.filter((vertex) => vertex < total);
    if (members.length) groups.push(newGroup(layer, stop, root, members, vertices.slice(members.length).map((v) => stubs[v - total]), longest[root], conflicts));
  }
  groups.sort((a, b) => a.longest - b.longest || a.members[0] - b.members[0]);
  groups.forEach((group, rank) => (group.rank = rank));
  return groups;
}

function newGroup(layer, stop, root, members, stubs, longest, conflicts) {
  const same = stubs.length ? undefined : auditedAs(layer, members);
  return {
    layer, stop, stubs, longest,
    cluster: same ? same.cluster : null,
    members: same ? same.members : members,
    size: members.length + stubs.reduce((sum, stub) => sum + stub.size, 0),
    tightness: longest,
    conflicts: conflicts.get(root) || 0,
    ...memberCounts(layer, members, stop),
  };
}

// The audit's cluster of exactly these members.
function auditedAs(layer, members) {
  layer.groupOf ??= new Map(layer.audited.flatMap((group) => group.members.map((sample) => [sample, group])));
  const group = layer.groupOf.get(members[0]);
  const same = group && group.size === members.length && members.every((sample) => layer.groupOf.get(sample) === group);
  return same ? group : undefined;
}

// Pairs of copies and linked samples without a common label, by root of their cluster.
function conflictsBy(layer, stop, find) {
  const { preview } = layer;
  const counts = new Map();
  const compare = (rows, partners) => {
    let n = 0;
    for (const a of rows) for (const b of partners) if ((rows !== partners || a < b) && disjoint(labelsOf(a), labelsOf(b))) n++;
    if (n) counts.set(find(rows[0]), (counts.get(find(rows[0])) || 0) + n);
  };
  const copiesOf = (sample) => (layer.copyOf.has(sample) ? layer.copies[layer.copyOf.get(sample)] : [sample]);
  for (const rows of layer.copies) compare(rows, rows);
  for (const kind of preview.links) {
    const links = preview[kind];
    for (let i = 0; i < preview.stops[kind][stop]; i++) {
      if (links.a[i] >= 0 && links.b[i] >= 0) compare(copiesOf(links.a[i]), copiesOf(links.b[i]));
    }
  }
  return counts;
}

// What to write into the manifest for this distance: no less than it, in six digits.
function adviceAt(layer, stop) {
  const { stops, normalization } = layer.preview;
  const distance = stops.distance[stop];
  if (stops.rate) return `duplicates: {threshold: {strategy: FalseDiscovery, rate: '${sixDigits(Math.max(stops.rate[stop], 1e-9), Math.ceil)}'}}`;
  if (!normalization) return `duplicates: {threshold: {strategy: Cosine, similarity: '${sixDigits(1 - distance, Math.floor)}'}}`;
  return `duplicates: {threshold: {strategy: Distance, distance: '${sixDigits(distance * normalization, Math.ceil)}'}}`;
}

function sixDigits(x, round) {
  if (x === 0) return "0";
  const digits = Math.min(20, Math.max(0, 5 - Math.floor(Math.log10(Math.abs(x)))));
  return String(Number((round(x * 10 ** digits) / 10 ** digits).toFixed(digits)));
}
