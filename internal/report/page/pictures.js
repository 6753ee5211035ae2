// Pictures lie behind this script in many blocks, which are read only when one of their pictures is shown. The browser may
// still be reading the later ones.
const pictureBlocks = new Map();
const mostBlocks = 48;

function pictureLines(at) {
  let lines = pictureBlocks.get(at);
  if (lines) return lines;
  const holder = document.getElementById(`pictures-${at}`);
  if (!holder || (document.readyState === "loading" && !holder.nextSibling)) return null;
  lines = holder.textContent.split("\n");
  if (pictureBlocks.size >= mostBlocks) pictureBlocks.delete(pictureBlocks.keys().next().value);
  pictureBlocks.set(at, lines);
  return lines;
}

function pictureSource(sample) {
  const at = samples.picture[sample];
  if (at < 0) return null;
  const lines = pictureLines(Math.floor(at / page.pictureBlock));
  return lines && `data:image/jpeg;base64,${lines[at % page.pictureBlock]}`;
}

// A place for a sample's picture, to be filled soon.
function pictureOf(sample) {
  const place = element("div", { class: "picture" });
  if (samples.picture[sample] < 0) {
    place.append(element("span", {}, whyNone(sample)));
    return place;
  }
  const img = element("img", { alt: "", decoding: "async", draggable: "false" });
  img.addEventListener("load", sharpen, { once: true });
  place.append(img);
  waiting.push({ img, sample });
  return place;
}

function whyNone(sample) {
  if (baseline.has(sample)) return "of the baseline";
  return samples.picture[sample] === -1 ? "no picture" : "picture left out";
}

// Small pictures are enlarged without smoothing.
function sharpen(event) {
  const img = event.target;
  if (Math.max(img.naturalWidth, img.naturalHeight) <= 48) img.classList.add("pixels");
}

// Each frame fills a few places, so that fast scrolling stays smooth.
const picturesAFrame = 32;
let waiting = [];
let filling = false;

function fillPictures() {
  if (filling || !waiting.length) return;
  filling = true;
  requestAnimationFrame(() => {
    filling = false;
    const missing = fill(picturesAFrame);
    if (missing) setTimeout(fillPictures, 60); // until the browser has read their block
    else fillPictures();
  });
}

function fill(most) {
  let filled = 0, missing = false;
  const later = [];
  for (const place of waiting) {
    if (!place.img.isConnected) continue; // scrolled away
    if (filled >= most) {
      later.push(place);
      continue;
    }
    const source = pictureSource(place.sample);
    if (source) {
      place.img.src = source;
      filled++;
    } else {
      later.push(place);
      missing = true;
    }
  }
  waiting = later;
  return missing && filled < most;
}
