// The pictures of the first clusters at the top of the page, so that one sees at once what was found.
const mostFirst = 8;

function showFirst() {
  const place = layerSections[state.layer].querySelector(".first");
  if (!place) return; // a dataset without pictures
  const groups = chosenLayer().audited.filter((group) => shownMembers(group).length > 1).slice(0, mostFirst);
  place.hidden = !groups.length;
  place.replaceChildren(...groups.map((group) => {
    const says = [titleOf(group), count(group.size, "sample"), ...(group.leaks ? ["leaks"] : [])].join(", ");
    const button = element("button", { type: "button", title: says, "aria-label": `Open ${says}`, class: group.leaks ? "leaks" : undefined },
      ...shownMembers(group).slice(0, 2).map(pictureOf));
    button.addEventListener("click", () => openGroup(group));
    return element("li", {}, button);
  }));
  fillPictures();
}
