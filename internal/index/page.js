"use strict";
(() => {
  const list = document.querySelector(".audits");
  const cards = [...list.children];
  const words = cards.map((card) => card.dataset.search.toLowerCase());
  const place = new Map(cards.map((card, at) => [card, at]));
  const find = document.querySelector(".find input");
  const sort = document.querySelector(".sort select");
  const shown = document.querySelector(".shown");
  const none = document.querySelector(".nothing");
  const orders = {
    worst: (a, b) => place.get(a) - place.get(b),
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name) || place.get(a) - place.get(b),
    newest: (a, b) => b.dataset.newest - a.dataset.newest || place.get(a) - place.get(b),
  };

  function filter() {
    const wanted = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    cards.forEach((card, at) => {
      card.hidden = !wanted.every((word) => words[at].includes(word));
      if (!card.hidden) n++;
    });
    shown.textContent = `${n.toLocaleString("en")} of ${cards.length.toLocaleString("en")}`;
    none.hidden = n > 0;
  }

  // A page that is loaded again keeps what was typed, so it is read, and not only its changes.
  find.addEventListener("input", filter);
  sort.addEventListener("change", () => list.append(...[...cards].sort(orders[sort.value])));
  document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());
  document.documentElement.classList.add("js");
  if (sort.value !== "worst") sort.dispatchEvent(new Event("change"));
  filter();
})();
