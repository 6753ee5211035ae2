// Two members compared, as large as their thumbnails allow.
const modes = { side: "Side by side", blink: "Blink", difference: "Difference", wipe: "Wipe" };
const compared = { a: null, b: null, mode: "side", gain: 4, timer: 0, token: 0 };

function buildCompare() {
  const stage = element("div", { class: "stage" });
  const choices = element("fieldset", { class: "choices modes" }, element("legend", { class: "unseen" }, "How to compare"));
  for (const [value, name] of Object.entries(modes)) {
    choices.append(element("label", {}, element("input", { type: "radio", name: "mode", value, checked: value === compared.mode }), element("span", {}, name)));
  }
  choices.addEventListener("change", (event) => {
    compared.mode = event.target.value;
    drawCompared();
  });
  Object.assign(compared, { stage, choices, tools: element("div", { class: "tools" }), facts: element("p", { class: "pair", "aria-live": "polite" }) });
  return element("section", { class: "compare", "aria-label": "Two members compared" }, choices, stage, compared.tools, compared.facts);
}

function compare(group, a, b) {
  Object.assign(compared, { group, a, b });
  drawCompared();
}

function stopComparing() {
  clearInterval(compared.timer);
  compared.token++;
}

async function loadPicture(sample) {
  const source = pictureSource(sample);
  if (!source) return null;
  const img = element("img", { alt: nameOf(sample) });
  img.src = source;
  try {
    await img.decode();
  } catch {
    return null;
  }
  sharpen({ target: img });
  return img;
}

async function drawCompared() {
  stopComparing();
  const { a, b, token } = compared;
  const [first, second] = await Promise.all([loadPicture(a), loadPicture(b)]);
  if (token !== compared.token) return; // something else was chosen meanwhile
  const { stage, tools, facts, group, mode } = compared;
  tools.replaceChildren();
  stage.className = `stage ${mode}`;
  facts.textContent = linkText(group, a, b);
  const picture = (img, letter, sample) => element("figure", {}, img || element("span", { class: "absent" }, whyNone(sample)),
    element("figcaption", {}, element("b", {}, letter), " ", element("bdi", {}, nameOf(sample))));
  if (mode === "side" || !first || !second) {
    stage.className = "stage side";
    stage.replaceChildren(picture(first, "A", a), picture(second, "B", b));
  } else {
    ({ blink, difference, wipe })[mode](stage, tools, first, second, moveOf(group, a, b));
  }
  if (first && second) facts.textContent += ` ${differenceText(first, second, moveOf(group, a, b))}`;
}

function linkText({ layer, stop }, a, b) {
  const link = linkOf(layer, a, b, stop);
  if (!link) return "Not linked directly: others join them.";
  if (link.exact) return "Exact copies: they show the same, bit by bit.";
  if (link.distance === 0) return "Their embeddings are identical, though their pixels differ.";
  return `Linked at distance ${number(link.distance)}.${seenText(link)}`;
}

// What the inspection saw, in words.
function seenText({ similarity, change }) {
  if (similarity === undefined) return "";
  const found = ` Their pixels correlate by ${number(similarity)}`;
  return change === "unchanged" ? `${found}, as they are.` : `${found} if A is ${change}.`;
}

// The change that changes nothing.
const still = { turn: 0, zoomX: 1, zoomY: 1, right: 0, down: 0 };

// What lays A over B, if an inspection found it.
const moveOf = ({ layer, stop }, a, b) => linkOf(layer, a, b, stop)?.move ?? still;

function differenceText(first, second, move) {
  const { mean } = pixelDifference(first, second, move);
  const shape = first.naturalWidth * second.naturalHeight === first.naturalHeight * second.naturalWidth ? "" : " Their shapes differ; B is stretched.";
  const laid = move !== still ? "Where A is laid over B by that change, pixels" : "Pixels";
  return `${laid} of the thumbnails differ by ${number(mean)} of 255 on average.${shape}`;
}

// The absolute differences of the colors, both pictures drawn at the size of the first, which is laid over the second. What only one of
// them shows is transparent and counts for nothing.
function pixelDifference(first, second, move) {
  const width = first.naturalWidth, height = first.naturalHeight;
  const drawn = (img, { mirrored, turn, zoomX, zoomY, right, down }) => {
    const canvas = element("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.translate(width * (0.5 + right), height * (0.5 + down));
    context.scale(width * zoomX, height * zoomY); // turned as the inspection does: in shares of the sides
    context.rotate(turn);
    context.scale((mirrored ? -1 : 1) / width, 1 / height);
    context.drawImage(img, -width / 2, -height / 2, width, height);
    return context.getImageData(0, 0, width, height);
  };
  const a = drawn(first, move), b = drawn(second, still);
  let sum = 0, compared = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    if (a.data[i + 3] < 255 || b.data[i + 3] < 255) {
      a.data[i + 3] = 0;
      continue;
    }
    compared++;
    for (let k = i; k < i + 3; k++) sum += a.data[k] = Math.abs(a.data[k] - b.data[k]);
  }
  return { image: a, mean: sum / (3 * Math.max(1, compared)) };
}

function difference(stage, tools, first, second, move) {
  const { image } = pixelDifference(first, second, move);
  const canvas = element("canvas", { width: image.width, height: image.height, role: "img", "aria-label": "Difference image" });
  if (first.classList.contains("pixels")) canvas.classList.add("pixels");
  const paint = () => {
    const shown = new ImageData(Uint8ClampedArray.from(image.data, (x, i) => (i % 4 === 3 ? x : x * compared.gain)), image.width);
    canvas.getContext("2d").putImageData(shown, 0, 0);
  };
  const gain = element("input", { type: "range", min: 1, max: 16, step: 1, value: compared.gain });
  const says = element("output", {}, `× ${compared.gain}`);
  gain.addEventListener("input", () => {
    compared.gain = Number(gain.value);
    says.value = `× ${compared.gain}`;
    paint();
  });
  paint();
  stage.replaceChildren(canvas);
  tools.append(element("label", {}, "Amplified ", gain), says);
}

// Shows one after the other at the same place. Who prefers reduced motion turns them over by hand.
function blink(stage, tools, first, second) {
  const letter = element("b", { class: "letter" });
  stage.replaceChildren(first, second, letter);
  let shown = 0;
  const turn = () => {
    shown = 1 - shown;
    second.style.visibility = shown ? "visible" : "hidden";
    letter.textContent = shown ? "B" : "A";
  };
  shown = 1;
  turn();
  const pause = element("button", { type: "button", class: "pause" });
  const other = element("button", { type: "button" }, "Turn over");
  let running = !reducedMotion.matches;
  const set = (on) => {
    running = on;
    clearInterval(compared.timer);
    if (on) compared.timer = setInterval(turn, 700);
    pause.textContent = on ? "Pause" : "Blink";
  };
  pause.addEventListener("click", () => set(!running));
  other.addEventListener("click", () => {
    set(false);
    turn();
  });
  set(running);
  tools.append(pause, other);
}

function wipe(stage, tools, first, second) {
  const edge = element("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "How much of A is seen" });
  const move = () => (second.style.clipPath = `inset(0 0 0 ${edge.value}%)`);
  edge.addEventListener("input", move);
  move();
  stage.replaceChildren(first, second);
  tools.append(element("span", {}, "A "), edge, element("span", {}, " B"));
}
