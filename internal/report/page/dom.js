// Elements and texts. Whatever the dataset holds gets into the page as text, never as markup.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name in properties) made[properties[name]] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return made;
}

// What is a property rather than an attribute.
const properties = { class: "className", value: "value", checked: "checked", disabled: "disabled", hidden: "hidden" };

// Control characters, and what turns the direction of a text, would show as something else or as nothing.
const legible = (text) => text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");

// A number in four digits, as the fixed part of the page has it.
function number(x) {
  const size = Math.abs(x);
  if (size > 0 && size < 1e-4) return x.toExponential(3).replace(/\.?0*e/, "e");
  return String(Number(x.toPrecision(4)));
}

const thousands = (n) => n.toLocaleString("en");
const count = (n, one, many = `${one}s`) => `${thousands(n)} ${n === 1 ? one : many}`;

const nameOf = (sample) => legible(samples.id[sample]);
const splitName = (name) => legible(name) || "no split";
const labelName = (name) => legible(name) || "no label";

// A file's name in two lines: its folder, and the rest.
function nameParts(sample) {
  const name = nameOf(sample);
  const at = name.lastIndexOf("/") + 1;
  return at < name.length ? [name.slice(0, at), name.slice(at)] : ["", name];
}

// Saves a text as a file of the reader's.
function saveAs(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

// Acts once nothing more has come for a while.
function calmly(wait, act) {
  let waiting;
  return (...args) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => act(...args), wait);
  };
}

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const main = document.querySelector("main");
const section = document.getElementById("clusters");
