// The findings as the page's blocks of JSON have them. Samples are numbers, positions in the columns of `samples`.
const block = (id) => JSON.parse(document.getElementById(id).textContent);
const page = block("samples");
const { samples, splits, labels, labelSets } = page;
const baseline = new Set(samples.baseline);
const ambiguous = new Set(samples.ambiguous);
const evaluation = new Set(page.evaluation);

const labelsOf = (sample) => labelSets[samples.labels[sample]];
const splitOf = (sample) => splits[samples.split[sample]];

// A group is a cluster as it is shown: one of the audit, or one that another threshold makes.
//   cluster   the audit's, with its measures; null for another one
//   members   samples; size counts also those that the page doesn't name
//   stubs     clusters that the page doesn't list and that this one would swallow
//   longest   its longest link, conflicts its linked pairs without a common label, leaks and copies the numbers of such members
const layers = [];
const layerOf = (at) => (layers[at] ??= readLayer(at));

function readLayer(at) {
  const { clusters, copies, pictures, preview, plane, matrices } = block(`layer-data-${at}`);
  const layer = {
    at, preview, plane, matrices, clusters,
    copies,
    copyOf: new Map(copies.flatMap((rows, i) => rows.map((row) => [row, i]))),
    pictureOf: new Map(pictures.flatMap((rows, i) => rows.map((row) => [row, i]))),
    leaksFrom: new Map(preview.leaking.map((sample, i) => [sample, preview.leaksFrom[i]])),
    groups: new Map(), // by stop
  };
  layer.audited = clusters.map((cluster, rank) => ({
    layer, cluster, rank, stop: preview.home,
    members: cluster.members,
    size: cluster.members.length + (cluster.unlisted || 0),
    stubs: [],
    longest: cluster.maxLink,
    tightness: cluster.mean,
    conflicts: cluster.conflicts || 0,
    ...memberCounts(layer, cluster.members, preview.home),
  }));
  return layer;
}

function memberCounts(layer, members, stop) {
  let leaks = 0, copies = 0;
  const seen = new Map();
  for (const sample of members) {
    if (leaksAt(layer, sample, stop)) leaks++;
    const picture = layer.pictureOf.get(sample);
    if (picture !== undefined) seen.set(picture, (seen.get(picture) || 0) + 1);
  }
  for (const n of seen.values()) if (n > 1) copies += n;
  return { leaks, copies };
}

const leaksAt = (layer, sample, stop) => layer.leaksFrom.get(sample) <= stop;

// By the method Local, every distance on the page is a link's: how near two samples are for where they lie. The spread of a cluster in
// the space of all, which the reference shows, is on another scale.
const isLocal = (layer) => Boolean(layer.preview.stops.rate);

// The members whose pictures the page has, or all there are.
function shownMembers(group) {
  const most = 24;
  if (group.cluster?.shown) return group.cluster.shown.map((i) => group.members[i]);
  return group.members.slice(0, most);
}

// What the search looks through.
function textOf(group) {
  return (group.text ??= group.members
    .flatMap((sample) => [samples.id[sample], splitOf(sample), ...labelsOf(sample).map((label) => labels[label])])
    .concat(group.cluster ? String(group.cluster.id) : []).join("\n").toLowerCase());
}

const disjoint = (a, b) => a.length > 0 && b.length > 0 && !a.some((label) => b.includes(label));

// The link between two samples, with its distance and what an inspection saw: how similar they are, and the change that makes the second
// of the first. Copies have distance 0; undefined if the page knows of none up to this stop.
function linkOf(layer, a, b, stop) {
  const { copyOf, preview } = layer;
  if (copyOf.has(a) && copyOf.get(a) === copyOf.get(b)) return { distance: 0, exact: layer.pictureOf.has(a) && layer.pictureOf.get(a) === layer.pictureOf.get(b) };
  if (!layer.links) {
    layer.links = new Map();
    for (const kind of preview.links) {
      preview[kind].a.forEach((from, i) => layer.links.set(pairKey(from, preview[kind].b[i]), { kind, i }));
    }
  }
  // A link stands for all copies of its two ends.
  const first = (sample) => (copyOf.has(sample) ? layer.copies[copyOf.get(sample)][0] : sample);
  const link = layer.links.get(pairKey(first(a), first(b)));
  if (!link || link.i >= preview.stops[link.kind][stop]) return undefined;
  const columns = preview[link.kind];
  const { i } = link;
  const similarity = columns.similarity?.[i] ?? undefined;
  const change = columns.a[i] === first(a) ? columns.change : columns.back;
  if (similarity === undefined) return { distance: columns.distance[i] };
  return { distance: columns.distance[i], similarity, change: preview.changes[change[i]], move: preview.moves[change[i]] };
}

const pairKey = (a, b) => (a < b ? `${a} ${b}` : `${b} ${a}`);
