/** A receipt: one entry, its proof up to a signed checkpoint (c2sp.org/tlog-proof), and opened values. */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

import {
  Failure,
  concat,
  decodeUtf8,
  encodeUtf8,
  formatBase64,
  formatCanonical,
  parseBase64,
  parseDecimal,
  parseJson,
  sameBytes,
  within,
} from "./canonical.mjs";
import { isObject, parseEntry } from "./entry.mjs";
import { parseBody, parseNote, signatures } from "./note.mjs";
import { checkPolicy, decodeName, keysAt } from "./policy.mjs";

/** @typedef {import("./canonical.mjs").Json} Json */
/** @typedef {import("./note.mjs").Body} Body */
/** @typedef {{field: string, value: Json, salt: string}} Opening `salt`: 64 hex digits */
/** @typedef {{index: bigint, hashes: Uint8Array[], checkpoint: Uint8Array}} LogProof */
/** @typedef {{entry: Uint8Array, proof: LogProof, openings: Opening[]}} Receipt */
/**
 * @typedef {object} Trust
 * @property {import("./policy.mjs").LogKey[]} ring keys of the logs whose receipts are accepted
 * @property {import("./policy.mjs").Policy} [policy] witnesses and their quorum
 * @property {number} [maxAge] seconds since the quorum's cosignatures, at most
 * @property {number} [now] POSIX seconds; the machine's clock unless given
 */

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_HASHES = 64; // a tree of 2^64 leaves is no higher
const HASH_SIZE = 32;
const EMPTY_ROOT = sha256(new Uint8Array());

/** Reads a receipt's file; nothing is verified yet. @param {Uint8Array} data @returns {Receipt} */
export function parseReceipt(data) {
  const value = parseJson(data, "receipt");
  if (!isObject(value) || !hasOnly(value, ["entry", "openings", "proof"])) {
    throw new Failure("receipt", 'must be an object with "entry", "openings" and "proof", nothing else');
  }
  const entry = encodeUtf8(demandText(value.entry, "entry"));
  within("entry", () => parseEntry(entry));
  const text = encodeUtf8(demandText(value.proof, "proof"));
  const proof = within("proof", () => parseProof(text));
  return { entry, proof, openings: parseOpenings(value.openings) };
}

const hasOnly = (value, names) =>
  Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));

function demandText(value, place) {
  if (typeof value !== "string") throw new Failure(place, "must be a string");
  return value;
}

/** @param {Json} value @returns {Opening[]} */
function parseOpenings(value) {
  if (!Array.isArray(value)) throw new Failure("openings", "must be a list");
  const openings = value.map((one, position) => {
    const place = `openings[${position}]`;
    if (!isObject(one) || !hasOnly(one, ["field", "salt", "value"])) {
      throw new Failure(place, 'must be an object with "field", "salt" and "value", nothing else');
    }
    const field = demandText(one.field, `${place}.field`);
    if (!/^[a-z0-9_]{1,43}$/.test(field)) throw new Failure(`${place}.field`, "must be 1 to 43 of a-z, 0-9 and _");
    const salt = demandText(one.salt, `${place}.salt`);
    if (!/^[0-9a-f]{64}$/.test(salt)) throw new Failure(`openings.${field}.salt`, "must be 64 lower-case hex digits");
    return { field, value: one.value, salt };
  });
  if (new Set(openings.map(({ field }) => field)).size !== openings.length) {
    throw new Failure("openings", "opens a field twice");
  }
  return openings;
}

/** A `.tlog-proof` file; nothing is verified. @param {Uint8Array} data @returns {LogProof} */
export function parseProof(data) {
  const gap = data.findIndex((byte, position) => byte === 10 && data[position + 1] === 10);
  const head = decodeUtf8(data.slice(0, Math.max(gap, 0)), "proof");
  const [header, ...rest] = head.split("\n");
  if (gap < 0 || header !== HEADER) throw new Failure("proof", `must begin with ${HEADER} and end with a checkpoint`);
  if (rest[0]?.startsWith("extra ")) parseBase64(rest.shift().slice(6), "extra");
  if (!rest[0]?.startsWith("index ")) throw new Failure("proof", "must have an index line");
  const index = parseDecimal(rest.shift().slice(6), "index");
  const hashes = rest.map((line) => parseBase64(line, "hashes", HASH_SIZE));
  if (hashes.length > MAX_HASHES) throw new Failure("hashes", `must be at most ${MAX_HASHES}`);
  const checkpoint = data.slice(gap + 2);
  parseNote(checkpoint);
  return { index, hashes, checkpoint };
}

/**
 * Checks every part of a receipt; returns the facts, or throws a Failure whose `place` is the part that fails.
 * `verdict`: "published" where the quorum's witnesses have cosigned; "integrated" where no witness is demanded.
 * @param {Uint8Array} data @param {Trust} trust
 */
export function verifyReceipt(data, { ring, policy, maxAge, now }) {
  const receipt = parseReceipt(data);
  const note = within("proof", () => parseNote(receipt.proof.checkpoint));
  within("proof", () => parseBody(note.text));
  const entry = within("entry", () => parseEntry(receipt.entry));
  if (!entry.known) throw new Failure("entry", "its kind is unknown to this program; check it with a newer version");
  const checkpoint = within("proof", () => verifyProof(receipt.proof, receipt.entry, ring));
  for (const opening of receipt.openings) verifyOpening(opening, entry.commitments);
  const seconds = now ?? Math.floor(Date.now() / 1000);
  const times = policy === undefined ? [] : within("policy", () => checkPolicy(policy, note, maxAge, seconds));
  return {
    origin: checkpoint.origin,
    size: plain(checkpoint.size),
    root: formatBase64(checkpoint.root),
    index: plain(receipt.proof.index),
    kind: entry.kind,
    id: entry.members.id,
    agency: entry.members.agency,
    time: entry.members.time,
    openings: Object.fromEntries(receipt.openings.map(({ field, value }) => [field, value])),
    verdict: (policy?.quorum ?? null) === null ? "integrated" : "published",
    witnesses: Object.fromEntries([...times].map(([name, time]) => [decodeName(name), Number(time)])),
  };
}

/** A number where it is exact as one. @param {bigint} value */
const plain = (value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);

/** The checkpoint under which `entry` is number `proof.index`, signed by every key that the log has at its size. */
export function verifyProof(proof, entry, ring) {
  const checkpoint = openCheckpoint(proof.checkpoint, ring);
  const leaf = sha256(concat(Uint8Array.of(0), entry));
  if (!sameBytes(rootFromInclusion(leaf, proof.index, checkpoint.size, proof.hashes), checkpoint.root)) {
    throw new Failure("proof", "does not lead to the root of the tree");
  }
  return checkpoint;
}

/**
 * The checkpoint of one of the ring's logs. Lines of other keys (witnesses, retired keys) say nothing here.
 * @param {Uint8Array} data @returns {Body}
 */
export function openCheckpoint(data, ring) {
  const note = parseNote(data);
  const body = parseCheckpoint(note.text);
  const keys = keysAt(ring, body.origin, body.size);
  const missing = new Set(keys);
  for (const [key, time] of signatures(note, keys)) {
    // A time would make a witness's statement of the log's own line.
    if (time) throw new Failure(`signature of ${key.name}`, "must carry time 0");
    missing.delete(key);
  }
  for (const key of missing) throw new Failure(`signature ${key.id} of ${key.name}`, "is missing");
  return body;
}

/** The three lines of our logs' checkpoints. @param {string} text @returns {Body} */
export function parseCheckpoint(text) {
  const body = parseBody(text);
  // An ML-DSA-44 signature does not cover extension lines.
  if (body.extensions.length > 0) throw new Failure("checkpoint", "has extension lines, which our logs never write");
  if (body.size === 0n && !sameBytes(body.root, EMPTY_ROOT)) {
    throw new Failure("root", "of an empty log must be SHA-256 of nothing");
  }
  return body;
}

/**
 * The root to which an audit path leads (RFC 9162, 2.1.3.2).
 * @param {Uint8Array} leaf its hash @param {bigint} index @param {bigint} size @param {Uint8Array[]} path leaf side first
 */
export function rootFromInclusion(leaf, index, size, path) {
  if (index >= size) throw new Failure("index", `leaf ${index} is not in a tree of ${size}`);
  let [position, last, root] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) throw new Failure("proof", "is longer than the tree is high");
    if (position % 2n === 1n || position === last) {
      root = nodeHash(sibling, root);
      while (position % 2n === 0n && position !== 0n) [position, last] = [position / 2n, last / 2n];
    } else {
      root = nodeHash(root, sibling);
    }
    [position, last] = [position / 2n, last / 2n];
  }
  if (last !== 0n) throw new Failure("proof", "is too short for the size of the tree");
  return root;
}

const nodeHash = (left, right) => sha256(concat(Uint8Array.of(1), left, right));

/** @param {Opening} opening @param {{[field: string]: string}} commitments */
function verifyOpening(opening, commitments) {
  const place = `openings.${opening.field}`;
  if (!Object.hasOwn(commitments, opening.field)) throw new Failure(place, "the entry commits to no such field");
  const { salt, value } = opening;
  if (![commit(salt, value), commitInline(salt, value)].includes(commitments[opening.field])) {
    throw new Failure(place, "the value is not the one recorded in the entry");
  }
}

const LARGE = 16_384; // bytes of canonical form: what is longer is committed by the digest of its salted blob
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const mac = (key, data) => hmac(sha256, key, encodeUtf8(data));
const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

/** The commitment to a value, in hex: of a large one to what stands for it, `{"blob": …, "size": …}`. */
export function commit(salt, value) {
  const data = encodeUtf8(formatCanonical(value));
  if (data.length <= LARGE) return commitInline(salt, value);
  const blob = sha256(concat(mac(unhex(salt), "greffier/1/blob-salt\0"), data));
  return hex(mac(unhex(salt), `greffier/1/blob\0${formatCanonical({ blob: hex(blob), size: data.length })}`));
}

/** HMAC-SHA-256(salt, "greffier/1/field" 0x00 || RFC 8785 of the value), in hex; older records have it of large values. */
function commitInline(salt, value) {
  return hex(mac(unhex(salt), `greffier/1/field\0${formatCanonical(value)}`));
}
