/**
 * The checker in a page: `/check` (a form), or a receipt that checks itself (a file). Its words are templates in the
 * page, in the page's language. It loads and sends nothing, and the page's policy would not let it.
 */
import { formatCanonical } from "./canonical.mjs";
import { judge } from "./judge.mjs";

const MAX_FILE = 1 << 20; // bytes; as the form takes
const byId = (id) => document.getElementById(id);

/** @param {string} id @returns {DocumentFragment} a copy of a template */
const copyOf = (id) => byId(id).content.cloneNode(true);

/** Puts text or nodes where the template has a slot of that name. */
function fill(fragment, slots) {
  for (const [name, content] of Object.entries(slots)) {
    for (const slot of fragment.querySelectorAll(`[data-slot="${name}"]`)) {
      if (slot instanceof HTMLInputElement) slot.value = content;
      else slot.replaceChildren(content);
    }
  }
  return fragment;
}

/** `2026-11-24T08:15Z` as the page writes days and moments. @param {string} minute */
function written(minute, withTime) {
  const language = document.documentElement.lang === "en" ? "en-IE" : document.documentElement.lang;
  const options = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  const day = new Intl.DateTimeFormat(language, options).format(new Date(minute));
  return withTime ? `${day}, ${minute.slice(11, 16)} UTC` : day;
}

/** @param {import("./judge.mjs").Verdict} found */
function show(found) {
  const slots = {};
  if (found.verdict === "published") {
    const most = document.querySelectorAll('template[id^="confirmed-"]').length - 1;
    Object.assign(slots, { confirmed: copyOf(`confirmed-${Math.min(found.witnesses, most)}`), date: written(found.facts.time) });
  } else if (found.verdict === "integrated") {
    const later = new Date(Date.now() + minutes() * 60_000).toISOString();
    slots.time = written(later, true);
  } else if (found.verdict === "altered") {
    const named = found.name === undefined ? `part-${found.part}` : "part-detail";
    slots.part = fill(copyOf(named), { name: found.name ?? "" });
  } else if (found.verdict === "could_not_check") {
    slots.why = copyOf(`why-${found.why}`);
  }
  const shown = [fill(copyOf(`verdict-${found.verdict}`), slots)];
  if (found.facts !== undefined) shown.push(contents(found.facts));
  put(...shown);
}

const minutes = () => Number(byId("verdict").dataset.minutes);

/** What a genuine receipt says: its reference, its time, and the opened values. */
function contents(facts) {
  const slots = { reference: facts.id, time: written(facts.time, true), index: String(facts.index) };
  const fragment = fill(copyOf("contents"), slots);
  const list = fragment.querySelector("dl");
  for (const [field, value] of Object.entries(facts.openings)) {
    const [row, name, said] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    name.textContent = field.replace(/^in_/, "");
    said.textContent = readable(value);
    said.className = "as-written";
    row.append(name, said);
    list.append(row);
  }
  return fragment;
}

/** A value in lines; what is nested deeper stands as JSON. @param {import("./canonical.mjs").Json} value */
function readable(value) {
  const plain = (one) => (typeof one === "string" ? one : formatCanonical(one));
  if (value === null) return "\u2013";
  if (typeof value !== "object") return plain(value);
  if (Array.isArray(value)) return value.map(plain).join("\n");
  return Object.entries(value).map(([name, one]) => `${name}: ${plain(one)}`).join("\n");
}

/** @param {(Node | string)[]} shown */
function put(...shown) {
  byId("errors")?.remove();
  byId("verdict").replaceChildren(...shown);
  byId("verdict").scrollIntoView({ block: "nearest" });
}

async function check(file, text) {
  let data;
  try {
    if (file !== undefined && file.size > MAX_FILE) throw new RangeError("too large");
    data = file === undefined ? new TextEncoder().encode(text) : new Uint8Array(await file.arrayBuffer());
  } catch {
    show({ verdict: "could_not_check", why: "file" });
    return;
  }
  show(judge(data, byId("keys").value));
}

/** A file or a pasted text is checked here and not sent; without either the server says what is missing. */
function onSubmit(event) {
  const file = byId("file").files[0];
  const text = byId("receipt").value.trim();
  if (file === undefined && text === "") return;
  event.preventDefault();
  if (file !== undefined && text !== "") put(copyOf("several"));
  else check(file, text);
}

const LETTER = /^#([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?:\.([0-9A-Za-z-]{8,40}))?$/;

/**
 * The square code of a letter leads to `/check#<reference>.<code>`, its link to `/check#<reference>`. A fragment is not sent to a server; it is taken out
 * of the address as well, so that it stays in no history. Nothing is looked up before the reader asks for it.
 */
function fillFromLetter() {
  const found = LETTER.exec(location.hash);
  if (found === null || byId("letter") === null) return;
  history.replaceState(null, "", location.pathname + location.search);
  byId("reference").value = found[1];
  byId("code").value = found[2] ?? "";
  byId("from-letter").hidden = false;
  byId("letter").querySelector("button").focus();
}

for (const element of document.querySelectorAll("[data-with-script]")) element.hidden = false;
for (const element of document.querySelectorAll("[data-without-script]")) element.hidden = true;
byId("check")?.addEventListener("submit", onSubmit);
fillFromLetter();
addEventListener("hashchange", fillFromLetter);
const stored = byId("stored");
if (stored !== null) {
  const again = () => check(undefined, stored.value);
  byId("again").addEventListener("click", again);
  again();
}
