// The lists of samples beside duplicates: a word finds some of them, by name, split, label or what is said.
function buildTiles() {
  for (const lists of document.querySelectorAll(".reports")) {
    const tiles = [...lists.querySelectorAll("ul.pairs > li")].map((item) => ({ item, text: item.textContent.toLowerCase(), list: item.closest("details") }));
    if (tiles.length < 2) continue;
    const find = element("input", { type: "search", placeholder: "file, label or split", autocomplete: "off", spellcheck: "false" });
    const sort = element("select", {}, element("option", { value: "" }, "what asks for a look first"), element("option", { value: "name" }, "name"));
    const shown = element("output", { class: "shown", "aria-live": "polite" });
    const form = element("form", { class: "controls", role: "search", "aria-label": lists.querySelector("h2").textContent },
      field("Find", "find", find), field("Order", "sort", sort), shown);
    form.addEventListener("submit", (event) => event.preventDefault());
    find.addEventListener("input", () => findTiles(tiles, find.value, shown));
    sort.addEventListener("change", () => sortTiles(tiles, sort.value));
    lists.querySelector("h2").after(form);
  }
}

function findTiles(tiles, word, shown) {
  const wanted = word.trim().toLowerCase();
  const left = new Set();
  for (const { item, text, list } of tiles) {
    item.hidden = !text.includes(wanted);
    if (!item.hidden) left.add(list);
  }
  for (const list of new Set(tiles.map((tile) => tile.list))) {
    list.hidden = !left.has(list);
    if (wanted && left.has(list)) list.open = true;
  }
  shown.textContent = wanted ? `${thousands(tiles.filter(({ item }) => !item.hidden).length)} of ${count(tiles.length, "sample")}` : "";
}

function sortTiles(tiles, by) {
  const name = ({ item }) => item.querySelector(".id b").title;
  for (const list of new Set(tiles.map((tile) => tile.list))) {
    const own = tiles.filter((tile) => tile.list === list);
    list.querySelector("ul").append(...(by ? own.sort((a, b) => byCodeUnits(name(a), name(b))) : own).map(({ item }) => item));
  }
}
