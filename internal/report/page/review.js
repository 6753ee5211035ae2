// What reviewers say of clusters: at first what the page brought along, then what is marked here or imported. Changes are kept
// in the browser's storage where it has one; the exported file is what lasts.
const verdictNames = { Copies: "copies", NotCopies: "not copies", Unsure: "unsure" };
const mostMembers = 1024;
const mostBytes = 16 << 20;
const storageName = `dataset-audit ${page.audit} ${page.digest}`;

const memberKey = (ids) => JSON.stringify([...ids].sort(byCodeUnits));
const byCodeUnits = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

const given = new Map(page.verdicts.map(({ verdict, members }) => [memberKey(members), verdict]));
const verdicts = new Map(given); // by the key of the members

const keyOf = (group) => (group.key ??= memberKey(group.members.map((sample) => samples.id[sample])));
const verdictOf = (group) => verdicts.get(keyOf(group));

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
  setVerdict(keyOf(group), verdict);
  keepChanges();
}

function setVerdict(key, verdict) {
  if (verdict) verdicts.set(key, verdict);
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
    for (const [key, verdict] of before) verdicts.set(key, verdict);
    fields.told.value = `verdicts.json was not read, and no mark will be saved there: ${legible(error.message)}.`;
  }
  afterMarks();
}

function keepChanges() {
  saveChanges();
  const changes = [];
  for (const [key, verdict] of verdicts) if (given.get(key) !== verdict) changes.push([key, verdict]);
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
    for (const [key, verdict] of JSON.parse(localStorage.getItem(storageName)) || []) {
      if (typeof key === "string" && (verdict === null || verdict in verdictNames)) setVerdict(memberKey(JSON.parse(key)), verdict);
    }
  } catch {
    // There is no storage, or something else in it.
  }
}

// The file, a verdict a line, in the same order whatever was marked first.
function exported() {
  const lines = [...verdicts]
    .map(([key, verdict]) => ({ verdict, members: JSON.parse(key) }))
    .sort((a, b) => byMembers(a.members, b.members))
    .map((verdict) => JSON.stringify(verdict));
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
    read.set(memberKey(distinct), entry.verdict);
  });
  for (const [key, verdict] of read) setVerdict(key, verdict);
  keepChanges();
  return { keys: new Set(read.keys()), audit: typeof review.audit === "string" ? review.audit : "" };
}
