// A cluster in the list: its figures, its members as tiles, and what can be done with it.
const cards = new WeakMap(); // an article's group
const tilesOf = (group) => shownMembers(group).length + (hiddenMembers(group) ? 1 : 0);
const hiddenMembers = (group) => group.size - shownMembers(group).length;

function card(group, at, total) {
  const article = element("article", {
    class: "cluster", tabindex: "-1", "aria-posinset": at + 1, "aria-setsize": total, "data-at": at,
  }, cardHead(group), tileList(group), cardFoot(group));
  cards.set(article, group);
  labelCard(article);
  return article;
}

const titleOf = (group) => (group.cluster ? `Cluster ${group.cluster.id}` : "New cluster");

function labelCard(article) {
  const group = cards.get(article);
  const verdict = verdictOf(group);
  const says = [titleOf(group), count(group.size, "sample")];
  if (group.leaks) says.push("leaks");
  if (group.conflicts) says.push("labels contradict");
  if (verdict) says.push(`marked ${verdictNames[verdict]}`);
  article.setAttribute("aria-label", says.join(", "));
  if (verdict) article.dataset.verdict = verdict;
  else delete article.dataset.verdict;
}

function cardHead(group) {
  return element("header", {},
    element("h3", {}, count(group.size, "sample")),
    element("p", { class: "marks" }, ...marksOf(group)),
    element("dl", {}, ...factsOf(group).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
}

function marksOf(group) {
  const marks = [];
  if (group.leaks) marks.push(element("span", { class: "mark leak" }, "leaks"));
  if (group.conflicts) marks.push(element("span", { class: "mark conflict" }, "labels contradict"));
  if (group.copies) {
    marks.push(element("span", { class: "mark copies" }, group.copies === group.size ? "all exact copies" : `${thousands(group.copies)} exact copies`));
  }
  if (!group.cluster) marks.push(element("span", { class: "mark new" }, "new"));
  return marks;
}

function factsOf(group) {
  if (!group.cluster) return [["longest link of the chain", number(group.longest)]];
  const { mean, diameter, id } = group.cluster;
  if (isLocal(group.layer)) return [["cluster", String(id)], ["longest link", number(group.longest)]];
  return [["cluster", String(id)], ["mean", number(mean)], ["diameter", number(diameter)]];
}

function tileList(group) {
  const list = element("ul", { class: "tiles" }, ...shownMembers(group).map((sample) => tile(group, sample)));
  const more = hiddenMembers(group);
  if (more) list.append(element("li", { class: "more" }, `and ${thousands(more)} more`));
  return list;
}

// What is known of a member: its place in the cluster, and what that says of it.
function memberOf(group, sample) {
  const { cluster, layer } = group;
  const at = cluster ? group.members.indexOf(sample) : -1;
  const copy = layer.pictureOf.get(sample);
  const link = at >= 0 && cluster.medoid >= 0 && cluster.medoid !== at ? linkOf(layer, group.members[cluster.medoid], sample, group.stop) : undefined;
  return {
    distance: at < 0 ? undefined : isLocal(layer) ? link?.distance : cluster.distances[at],
    change: link?.change,
    kept: at >= 0 && cluster.kept.includes(at),
    medoid: at >= 0 && cluster.medoid === at,
    leaks: leaksAt(layer, sample, group.stop),
    copy: copy === undefined ? "" : copyName(group, copy),
  };
}

// Copies are numbered where a cluster has several kinds of them.
function copyName(group, copy) {
  group.copyGroups ??= [...new Set(group.members.map((sample) => group.layer.pictureOf.get(sample)).filter((c) => c !== undefined))];
  return group.copyGroups.length > 1 ? `copy ${group.copyGroups.indexOf(copy) + 1}` : "copy";
}

function tile(group, sample) {
  const member = memberOf(group, sample);
  const made = element("li", { class: member.leaks ? "tile leaks" : "tile", "data-sample": sample });
  if (page.pictures) made.append(pictureOf(sample));
  made.append(nameLines(sample), factLine(sample),
    distanceLine(member),
    element("p", { class: "tags" }, ...tagsOf(sample, member)));
  return made;
}

// The distance to the medoid, and what an inspection saw that makes the sample of it.
function distanceLine({ distance, change }) {
  const shown = distance === undefined ? "" : number(distance);
  if (!change || change === "unchanged") return element("p", { class: "distance" }, shown);
  return element("p", { class: "distance", title: change }, `${shown} · ${change}`);
}

function nameLines(sample) {
  const [folder, base] = nameParts(sample);
  return element("p", { class: "id", title: nameOf(sample) }, element("span", {}, folder), element("b", {}, base));
}

function factLine(sample) {
  const facts = element("p", { class: "facts" });
  const split = splitOf(sample);
  if (split) facts.append(element("bdi", { class: evaluation.has(samples.split[sample]) ? "split evaluation" : "split" }, legible(split)));
  const label = labelsOf(sample).map((at) => legible(labels[at])).join(", ");
  if (label) facts.append(" ", element("bdi", { class: "label", title: label }, label));
  return facts;
}

function tagsOf(sample, member) {
  const tags = [];
  if (baseline.has(sample)) tags.push(element("span", { class: "baseline" }, "baseline"));
  else if (member.kept) tags.push(element("span", { class: "keep" }, "keep"));
  if (member.leaks) tags.push(element("span", { class: "leak" }, "leaks"));
  if (member.copy) tags.push(element("span", { class: "copies" }, member.copy));
  return tags;
}

function cardFoot(group) {
  return element("footer", {}, element("button", { type: "button", class: "show" }, page.pictures ? "Compare" : "Open"), markButtons(group));
}

function markButtons(group) {
  const why = unmarkable(group);
  const verdict = why ? undefined : verdictOf(group);
  return element("span", { class: "marking", role: "group", "aria-label": "Mark this cluster", title: why || undefined },
    ...Object.entries(verdictNames).map(([name, says]) => element("button", {
      type: "button", "data-mark": name, "aria-pressed": String(verdict === name), disabled: Boolean(why),
    }, says)));
}

// Shows the verdict of a group wherever it is drawn.
function remark() {
  for (const article of section.querySelectorAll("article")) {
    article.querySelector(".marking").replaceWith(markButtons(cards.get(article)));
    labelCard(article);
  }
}
