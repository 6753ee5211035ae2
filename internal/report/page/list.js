// The list of clusters. Only the rows near the window are in the document: rows have heights that follow from the widths, so
// that the whole list can be laid out without them.
const list = section.querySelector(".list");
const view = { groups: [], rows: [], drawn: new Map(), current: 0, flow: false };

function showList(groups, current = 0) {
  view.groups = groups;
  view.current = Math.max(0, Math.min(current, groups.length - 1));
  arrange();
}

// The sizes of what a card is made of, as the style has them.
function cardSizes() {
  const probe = element("div", { class: "row probe" },
    element("article", { class: "cluster" }, element("header"), element("ul", { class: "tiles" }, element("li", { class: "tile" })), element("footer")));
  list.append(probe);
  const [article] = probe.children;
  const [, tiles] = article.children;
  const style = getComputedStyle(tiles);
  const tileBox = tiles.firstChild.getBoundingClientRect();
  const sizes = {
    row: parseFloat(getComputedStyle(list).rowGap) || 12,
    narrowest: parseFloat(getComputedStyle(article).minWidth) || 0,
    tile: parseFloat(style.getPropertyValue("--tile")),
    tileHeight: tileBox.height,
    across: parseFloat(style.columnGap),
    down: parseFloat(style.rowGap),
    frame: article.getBoundingClientRect().width - tiles.getBoundingClientRect().width,
    rest: article.getBoundingClientRect().height - tileBox.height,
  };
  probe.remove();
  return sizes;
}

// Cards fill a row as long as all tiles of each fit side by side; a larger one has a row to itself.
function arrange() {
  const width = list.clientWidth;
  const size = cardSizes();
  view.rows = [];
  let row, left = 0, top = 0;
  view.groups.forEach((group, at) => {
    const tiles = tilesOf(group);
    const wanted = Math.min(width, Math.max(Math.min(size.narrowest, width), tiles * (size.tile + size.across) - size.across + size.frame));
    if (!row || wanted > left) {
      if (row) top += row.height + size.row;
      const columns = Math.max(1, Math.floor((width - size.frame + size.across) / (size.tile + size.across)));
      const lines = Math.ceil(tiles / columns);
      row = { top, from: at, to: at, height: size.rest + lines * size.tileHeight + (lines - 1) * size.down, widths: [] };
      left = width;
      view.rows.push(row);
    }
    row.to = at + 1;
    row.widths.push(wanted);
    left -= wanted + size.row;
  });
  for (const drawn of view.drawn.values()) drawn.remove();
  view.drawn.clear();
  list.style.height = row && !view.flow ? `${top + row.height}px` : "";
  draw();
}

const rowAt = (y) => firstWhere(view.rows.length, (i) => view.rows[i].top + view.rows[i].height >= y);
const rowOf = (at) => firstWhere(view.rows.length, (i) => view.rows[i].to > at);

// The first of n numbers from which on a condition holds.
function firstWhere(n, holds) {
  let low = 0, high = n;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function draw() {
  if (view.flow) return;
  const above = -list.getBoundingClientRect().top;
  const spare = innerHeight / 2;
  const focused = document.activeElement?.closest?.(".row");
  const first = rowAt(above - spare);
  let last = first;
  while (last < view.rows.length && view.rows[last].top < above + innerHeight + spare) last++;
  for (const [at, drawn] of view.drawn) {
    if ((at < first || at >= last) && drawn !== focused) {
      drawn.remove();
      view.drawn.delete(at);
    }
  }
  for (let at = first; at < last; at++) if (!view.drawn.has(at)) insertRow(at);
  fillPictures();
}

// Rows stand in the document in their order, as who reads or tabs through it expects.
function insertRow(at) {
  const { top, height, from, to, widths } = view.rows[at];
  const row = element("div", { class: "row", role: "none", "data-row": at });
  row.style.top = `${top}px`;
  row.style.height = `${height}px`;
  for (let i = from; i < to; i++) {
    const article = card(view.groups[i], i, view.groups.length);
    article.style.flexBasis = `${widths[i - from]}px`;
    if (i === view.current) article.tabIndex = 0;
    row.append(article);
  }
  list.insertBefore(row, [...list.children].find((other) => Number(other.dataset.row) > at) || null);
  view.drawn.set(at, row);
}

const cardAt = (at) => list.querySelector(`article[data-at="${at}"]`);

// Makes a cluster the one that the keys act on.
function setCurrent(at) {
  const before = cardAt(view.current);
  if (before) before.tabIndex = -1;
  view.current = at;
  const now = cardAt(at);
  if (now) now.tabIndex = 0;
}

function focusCard(at) {
  if (at < 0 || at >= view.groups.length) return;
  setCurrent(at);
  reveal(at);
  cardAt(at)?.focus({ preventScroll: true });
}

// Scrolls to a cluster, unless it is seen.
function reveal(at) {
  const row = view.rows[rowOf(at)];
  const top = list.getBoundingClientRect().top + row.top;
  const bar = section.querySelector(".controls");
  const covered = getComputedStyle(bar).position === "sticky" ? bar.getBoundingClientRect().height + 12 : 12;
  if (top < covered || top + row.height > innerHeight) scrollBy({ top: top - covered, behavior: "instant" });
  draw();
}

// For paper, the first clusters stand in the flow of the page.
const mostPrinted = 200;

function drawForPrint() {
  view.flow = true;
  for (const drawn of view.drawn.values()) drawn.remove();
  view.drawn.clear();
  list.style.height = "";
  const printed = view.groups.slice(0, mostPrinted);
  list.append(...printed.map((group, at) => card(group, at, view.groups.length)));
  if (printed.length < view.groups.length) {
    list.append(element("p", { class: "hint" }, `Printed: the first ${printed.length} of ${count(view.groups.length, "cluster")}.`));
  }
  fill(Infinity);
}

function drawAfterPrint() {
  view.flow = false;
  list.replaceChildren();
  arrange();
}

let frame = 0;
function drawSoon() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

addEventListener("scroll", drawSoon, { passive: true });
addEventListener("resize", drawSoon);
addEventListener("beforeprint", drawForPrint);
addEventListener("afterprint", drawAfterPrint);

let listWidth = 0;
new ResizeObserver(() => {
  if (view.flow || list.clientWidth === listWidth) return;
  listWidth = list.clientWidth;
  arrange();
}).observe(list);

list.addEventListener("focusin", (event) => {
  const article = event.target.closest("article");
  if (article) setCurrent(Number(article.dataset.at));
});
