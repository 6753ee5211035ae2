"use strict";
// Everything is in the page without this script; it only chooses what is seen. The choice stands in the address after #, so
// that a link or a reload shows the same: #layer=1&filter=leaks&sort=size&q=train
(() => {
  const layers = [...document.querySelectorAll(".layer")].map((section) => {
    const list = section.querySelector(".list");
    return {
      section, list,
      form: section.querySelector(".controls"),
      clusters: list ? [...list.children] : [],
      none: section.querySelector(".none"),
      sort: "tight",
    };
  });
  const tabs = [...document.querySelectorAll("[data-layer]")];
  const plain = { layer: "0", filter: "all", sort: "tight", q: "" };
  const state = { ...plain };

  const orders = {
    tight: (a, b) => a.dataset.rank - b.dataset.rank,
    size: (a, b) => b.dataset.size - a.dataset.size || a.dataset.rank - b.dataset.rank,
  };

  const texts = new WeakMap();
  const textOf = (cluster) => {
    if (!texts.has(cluster)) texts.set(cluster, cluster.textContent.toLowerCase());
    return texts.get(cluster);
  };

  // A picture that several layers show is in the page once.
  const fill = (section) => {
    for (const img of section.querySelectorAll("img[data-same]")) {
      const first = document.getElementById(img.dataset.same);
      if (first) {
        img.width = first.width;
        img.height = first.height;
        img.className = first.className;
        img.src = first.src;
      } else {
        img.replaceWith("no picture");
      }
      delete img.dataset.same;
    }
  };

  const show = () => {
    const chosen = layers[Number(state.layer)] || layers[0];
    for (const layer of layers) layer.section.hidden = layer !== chosen;
    for (const tab of tabs) {
      if (layers[Number(tab.dataset.layer)] === chosen) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
    fill(chosen.section);
    if (!chosen.form) return;

    const { form, list, clusters } = chosen;
    for (const radio of form.querySelectorAll("input[type=radio]")) radio.checked = radio.value === state.filter;
    const find = form.querySelector("input[type=search]");
    if (find.value !== state.q) find.value = state.q;
    form.querySelector("select").value = state.sort;

    if (chosen.sort !== state.sort) {
      list.append(...clusters.sort(orders[state.sort]));
      chosen.sort = state.sort;
    }
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    for (const cluster of clusters) {
      const fits = (state.filter === "all" || state.filter in cluster.dataset) &&
        (!words.length || words.every((word) => textOf(cluster).includes(word)));
      cluster.hidden = !fits;
      if (fits) seen++;
    }
    const total = clusters.length.toLocaleString("en");
    form.querySelector(".shown").value = seen === clusters.length ? "" : `${seen.toLocaleString("en")} of ${total}`;
    chosen.none.hidden = seen > 0;
  };

  const read = () => {
    const hash = location.hash.slice(1);
    const section = /^(?:layer|clusters)-(\d+)$/.exec(hash);
    if (section) state.layer = section[1];
    else {
      const given = new URLSearchParams(hash);
      for (const key in plain) state[key] = given.has(key) ? given.get(key) : plain[key];
    }
    if (!(state.sort in orders)) state.sort = plain.sort;
    if (!["all", "leaks", "conflicts", "copies"].includes(state.filter)) state.filter = plain.filter;
    show();
  };

  const choose = (changes) => {
    Object.assign(state, changes);
    const said = new URLSearchParams(Object.entries(state).filter(([key, value]) => value !== plain[key]));
    history.replaceState(null, "", `#${said}`);
    show();
  };

  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      choose({ layer: tab.dataset.layer });
    });
  }
  for (const { form, none } of layers) {
    if (!form) continue;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      const { type, value } = event.target;
      choose(type === "radio" ? { filter: value } : type === "search" ? { q: value } : { sort: value });
    });
    none.querySelector("button").addEventListener("click", () => choose({ filter: plain.filter, q: "" }));
  }
  addEventListener("hashchange", read);
  document.documentElement.classList.add("js");
  read();
})();
