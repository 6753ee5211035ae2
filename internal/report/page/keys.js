// The keys. They act on the cluster that has the focus, or had it last.
const keyHelp = [
  ["j, k", "next and previous cluster; the arrows too, once a cluster has the focus"],
  ["Enter, o", "open the cluster"],
  ["Esc", "close it"],
  ["1, 2, 3", "mark it as copies, not copies, unsure"],
  ["0", "clear its mark"],
  ["/", "search"],
  ["?", "this help"],
];
const help = element("dialog", { class: "help", "aria-labelledby": "help-title" });

function buildHelp() {
  const close = element("button", { type: "button", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => help.close());
  help.append(element("header", {}, element("h2", { id: "help-title" }, "Keys"), close),
    element("dl", { class: "keys" }, ...keyHelp.flatMap(([keys, says]) => [
      element("dt", {}, ...keys.split(", ").flatMap((key, i) => [i ? " " : "", element("kbd", {}, key)])), element("dd", {}, says)])));
  document.body.append(help);
}

const markKeys = { 1: "Copies", 2: "NotCopies", 3: "Unsure", 0: undefined };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help.open) return;
  const { target, key } = event;
  if (target.matches("select, textarea, input:not([type=radio])")) {
    if (key === "Escape" && target === fields.q) target.blur();
    return;
  }
  const inList = target.closest(".list") !== null;
  const onCard = target.matches("article");
  const isOpen = dialog.open;
  const group = isOpen ? opened.group : view.groups[view.current];
  const move = (by) => (isOpen ? step(by) : focusCard(inList || view.started ? view.current + by : view.current));
  const act = () => {
    if (key === "j" || (key === "ArrowDown" && onCard) || (key === "ArrowRight" && (onCard || isOpen) && !target.matches("input"))) return move(1);
    if (key === "k" || (key === "ArrowUp" && onCard) || (key === "ArrowLeft" && (onCard || isOpen) && !target.matches("input"))) return move(-1);
    if (key === "/" && !isOpen) return fields.q.focus();
    if (key === "?") return help.showModal();
    if (!group) return false;
    if (!isOpen && (key === "o" || (key === "Enter" && onCard))) return openGroup(group);
    if (Object.hasOwn(markKeys, key) && (isOpen || inList || view.started)) return markGroup(group, markKeys[key]);
    return false;
  };
  if (act() !== false) {
    if (key === "j" || key === "k") view.started = true;
    event.preventDefault();
  }
}
