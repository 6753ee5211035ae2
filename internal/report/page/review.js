// What reviewers say of clusters: at first what the page brought along, then what is marked here or imported. Changes are kept
// in the browser's storage where it has one; the exported file is what lasts.
const verdictNames = { Copies: "copies", NotCopies: "not copies", Unsure: "unsure" };
const mostMembers = 1024;
const mostBytes = 16 << 20;
const storageName = `dataset-audit ${page.audit} ${page.digest}`;

const memberKey = (ids) => JSON.stringify([...ids].sort(byCodeUnits));
const byCodeUnits = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

// An entry is a verdict with who gave it, when and why, as far as that is said.
const entryOf = ({ verdict, reviewer, time, reason }) => ({ verdict, reviewer: words(reviewer, 128), time: words(time, 40), reason: words(reason, 1024) });
const words = (text, most) => (typeof text === "string" && text.trim() ? text.trim().slice(0, most) : undefined);
const sameEntry = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const given = new Map(page.verdicts.map((entry) => [memberKey(entry.members), entryOf(entry)]));
const verdicts = new Map(given); // entries by the key of the members

const keyOf = (group) => (group.key ??= memberKey(group.members.map((sample) => samples.id[sample])));
const verdictOf = (group) => verdicts.get(keyOf(group))?.verdict;

// Why a group can't be marked, or nothing.
function unmarkable(group) {
  if (group.members.length < group.size) return "not all of its members are in this page";
  if (group.members.some((sample) => ambiguous.has(sample))) return "the baseline and the dataset both have a sample of one of these names";
  if (group.members.length > mostMembers) return `a verdict is about at most ${thousands(mostMembers)} samples`;
  return "";
}

// Marks a group; no verdict clears its mark.
function mark(group, verdict) {
  if (unmarkable(group)) return;
  const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  setEntry(keyOf(group), verdict && entryOf({ verdict, reviewer: fields.reviewer.value, time, reason: fields.reason.value }));
  keepChanges();
}

function setEntry(key, entry) {
  if (entry) verdicts.set(key, entry);
  else verdicts.delete(key);
}

// Where "runner serve" shows the page, it also keeps the marks in a file beside it.
let savedAt = document.querySelector('meta[name="verdicts"]')?.content;
let saving = Promise.resolve();

function saveChanges() {
  if (!savedAt) return;
  const file = exported();
  saving = saving.then(async () => {
    try {
      const answer = await fetch(savedAt, { method: "PUT", body: file });
      if (!answer.ok) throw new Error(await answer.text());
    } catch (error) {
      fields.told.value = `The marks were not saved: ${legible(error.message)}. Export them.`;
    }
  });
}

// What the file says comes before what the browser remembers.
async function readSaved() {
  if (!savedAt) return;
  const before = [...verdicts];
  try {
    const answer = await fetch(savedAt);
    if (answer.status === 204) return; // there are none yet
    const text = await answer.text();
    if (!answer.ok) throw new Error(text);
    verdicts.clear();
    imported(text);
  } catch (error) {
    // What is there must not be lost to what is marked now.
    savedAt = "";
    verdicts.clear();
    for (const [key, entry] of before) verdicts.set(key, entry);
    fields.told.value = `verdicts.json was not read, and no mark will be saved there: ${legible(error.message)}.`;
  }
  afterMarks();
}

function keepChanges() {
  saveChanges();
  const changes = [];
  for (const [key, entry] of verdicts) if (!sameEntry(given.get(key), entry)) changes.push([key, entry]);
  for (const key of given.keys()) if (!verdicts.has(key)) changes.push([key, null]);
  try {
    if (changes.length) localStorage.setItem(storageName, JSON.stringify(changes));
    else localStorage.removeItem(storageName);
  } catch {
    // Without storage the marks last as long as the page is open.
  }
}

function restoreChanges() {
  try {
    for (const [key, kept] of JSON.parse(localStorage.getItem(storageName)) || []) {
      const entry = typeof kept === "string" ? { verdict: kept } : kept; // earlier versions kept the verdict alone
      if (typeof key !== "string" || (entry !== null && !Object.hasOwn(verdictNames, entry.verdict))) continue;
      setEntry(memberKey(JSON.parse(key)), entry && entryOf(entry));
    }
  } catch {
    // There is no storage, or something else in it.
  }
}

// The file, a verdict a line, in the same order whatever was marked first.
function exported() {
  const lines = [...verdicts]
    .map(([key, { verdict, ...trace }]) => ({ verdict, members: JSON.parse(key), ...trace }))
    .sort((a, b) => byMembers(a.members, b.members))
    .map((entry) => JSON.stringify(entry));
  const list = lines.length ? `[\n${lines.join(",\n")}\n]` : "[]";
  return `{"schemaVersion": 1, "audit": ${JSON.stringify(page.audit)}, "verdicts": ${list}}\n`;
}

function byMembers(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] !== b[i]) return byCodeUnits(a[i], b[i]);
  }
  return a.length - b.length;
}

// Reads such a file. What it says replaces what was said of the same members.
function imported(text) {
  let review;
  try {
    review = JSON.parse(text);
  } catch {
    throw new Error("this is not JSON");
  }
  if (review?.schemaVersion !== 1) throw new Error("its schemaVersion is not 1");
  if (!Array.isArray(review.verdicts)) throw new Error("it has no verdicts");
  const read = new Map();
  review.verdicts.forEach((entry, i) => {
    if (!Object.hasOwn(verdictNames, entry?.verdict)) throw new Error(`its verdict ${i + 1} is none of Copies, NotCopies and Unsure`);
    const { members } = entry;
    if (!Array.isArray(members) || !members.every((id) => typeof id === "string")) throw new Error(`its verdict ${i + 1} has no members`);
    const distinct = new Set(members);
    if (distinct.size < 2 || distinct.size > mostMembers) {
      throw new Error(`its verdict ${i + 1} has ${distinct.size} members, not 2 to ${mostMembers}`);
    }
    read.set(memberKey(distinct), entryOf(entry));
  });
  for (const [key, entry] of read) setEntry(key, entry);
  keepChanges();
  return { keys: new Set(read.keys()), audit: typeof review.audit === "string" ? review.audit : "" };
}
