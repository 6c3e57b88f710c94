/** What a page says of a receipt: one of the verdicts of `/check`, from the receipt and the keys alone. */
import { Failure, decodeUtf8 } from "./canonical.mjs";
import { parseEntry } from "./entry.mjs";
import { parseBody, parseNote } from "./note.mjs";
import { NotPublished, decodeName, parseKeyRing, parsePolicy } from "./policy.mjs";
import { parseReceipt, verifyReceipt } from "./receipt.mjs";

/**
 * @typedef {object} Verdict
 * @property {"published" | "integrated" | "not_found" | "altered" | "could_not_check"} verdict
 * @property {string} [part] of `altered`: entry, proof, openings, receipt
 * @property {string} [name] of `altered`: the field, where it is one opened value
 * @property {string} [why] of `could_not_check`: kind, keys
 * @property {number} [witnesses] of `published`: how many organisations confirmed the log
 * @property {{[name: string]: any}} [facts] of a genuine receipt
 */

const RESULT_KIND = "decision/1";

/** The keys of logs, and a policy where the text is one. @param {string} text @returns {import("./receipt.mjs").Trust} */
export function parseTrust(text) {
  if (!/^[ \t]*quorum[ \t]/m.test(text)) return { ring: parseKeyRing(text) };
  const policy = parsePolicy(text);
  if (policy.logs.length === 0) throw new Failure("policy", "names no log");
  return { ring: policy.logs, policy };
}

/** @param {Uint8Array} data the receipt's file @param {string} keys key file or policy @returns {Verdict} */
export function judge(data, keys) {
  let trust;
  try {
    trust = parseTrust(keys.endsWith("\n") ? keys : `${keys}\n`);
  } catch (error) {
    return failed(error, { verdict: "could_not_check", why: "keys" });
  }
  try {
    const receipt = parseReceipt(data);
    const { kind } = parseEntry(receipt.entry);
    const { origin } = parseBody(parseNote(receipt.proof.checkpoint).text);
    if (!trust.ring.some(({ key }) => key.name === origin)) return { verdict: "not_found" };
    if (kind !== RESULT_KIND) return { verdict: "could_not_check", why: "kind" };
    return genuine(data, trust);
  } catch (error) {
    return failed(error, { verdict: "altered", ...partOf(error.place) });
  }
}

function genuine(data, { ring, policy }) {
  const facts = verifyReceipt(data, { ring });
  try {
    // Where no witness is demanded the log's own word counts as published; the page says that nobody confirmed it.
    const { witnesses } = verifyReceipt(data, { ring, policy });
    // One organisation may confirm with several keys; they bear its one name.
    const names = (policy?.witnesses ?? []).filter(({ name }) => Object.hasOwn(witnesses, decodeName(name))).map(({ key }) => key.name);
    return { verdict: "published", witnesses: new Set(names).size, facts };
  } catch (error) {
    if (error instanceof NotPublished) return { verdict: "integrated", facts };
    throw error;
  }
}

function failed(error, verdict) {
  if (error instanceof Failure) return verdict;
  throw error;
}

/** @param {string} place such as `entry`, `openings.in_income`, `openings.outcome.salt` */
function partOf(place = "receipt") {
  const [part, name] = place.split(".");
  if (part === "policy") return { part: "proof" };
  if (!["entry", "proof", "openings"].includes(part)) return { part: "receipt" };
  return name === undefined ? { part } : { part, name: name.replace(/^in_/, "") };
}
