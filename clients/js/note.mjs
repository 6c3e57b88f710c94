/**
 * Signed notes (c2sp.org/signed-note), the signature types 0x01, 0x04 and 0x06 (c2sp.org/tlog-cosignature), and the
 * lines of a checkpoint (c2sp.org/tlog-checkpoint).
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

import {
  Failure,
  checkName,
  checkText,
  concat,
  decodeUtf8,
  encodeUtf8,
  parseBase64,
  parseDecimal,
  sameBytes,
} from "./canonical.mjs";

/** @typedef {{name: string, id: string, type: number, public: Uint8Array, text: string}} VerifierKey `id`: 8 hex digits */
/** @typedef {{name: string, id: string, blob: Uint8Array}} Signature one line, not verified */
/** @typedef {{text: string, signatures: Signature[]}} Note */
/** @typedef {{origin: string, size: bigint, root: Uint8Array, extensions: string[]}} Body */

export const ED25519 = 0x01;
export const COSIGNATURE = 0x04;
export const ML_DSA_44 = 0x06;

const MAX_NOTE = 1_000_000; // bytes
const MAX_SIGNATURES = 100;
const PUBLIC_SIZE = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA_44]: 1312 };
const SIGNATURE_SIZE = { [ED25519]: 64, [COSIGNATURE]: 8 + 64, [ML_DSA_44]: 8 + 2420 };
const DASH = "\u2014 ";

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** `<name>+<8 hex digits>+<base64(type || public key)>`, without newline. @param {string} text @returns {VerifierKey} */
export function parseVkey(text, place = "vkey") {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) throw new Failure(place, "must read <name>+<8 hex digits>+<base64>");
  const [, name, id, encoded] = match;
  const data = parseBase64(encoded, place);
  const [type, key] = [data[0], data.slice(1)];
  checkName(name, place);
  if (PUBLIC_SIZE[type] === undefined) throw new Failure(place, "must be of type 0x01, 0x04 or 0x06");
  if (key.length !== PUBLIC_SIZE[type]) throw new Failure(place, "has the wrong length for its type");
  const hash = sha256(concat(encodeUtf8(`${name}\n`), data));
  if (id !== hex(hash.slice(0, 4))) throw new Failure(place, "has a key id that is not the hash of name and public key");
  return { name, id, type, public: key, text };
}

/** Splits a note at its last empty line; nothing is verified. @param {Uint8Array} data @returns {Note} */
export function parseNote(data) {
  if (data.length > MAX_NOTE) throw new Failure("note", `is larger than ${MAX_NOTE} bytes`);
  const whole = decodeUtf8(data, "note");
  const cut = whole.lastIndexOf("\n\n");
  if (cut < 0) throw new Failure("note", "has no empty line between text and signatures");
  const text = whole.slice(0, cut + 1);
  checkText(text, "note text");
  const lines = whole.slice(cut + 2).split("\n");
  if (lines.pop() !== "" || lines.length === 0) throw new Failure("note", "must end with a signature line and a newline");
  if (lines.length > MAX_SIGNATURES) throw new Failure("note", `has more than ${MAX_SIGNATURES} signatures`);
  return { text, signatures: lines.map(parseSignature) };
}

/** `— <name> <base64(key id || signature)>`. @param {string} line @returns {Signature} */
export function parseSignature(line) {
  const space = line.indexOf(" ", DASH.length);
  if (!line.startsWith(DASH) || space < 0) throw new Failure("signature line", "must read — <name> <base64>");
  const name = line.slice(DASH.length, space);
  checkName(name, "signature line");
  const blob = parseBase64(line.slice(space + 1), "signature line");
  if (blob.length < 5) throw new Failure("signature line", "must hold a key id of 4 bytes and a signature");
  return { name, id: hex(blob.slice(0, 4)), blob: blob.slice(4) };
}

/**
 * Which of `keys` signed a note, with the time of the signature (null for 0x01). Lines of other keys say nothing; each
 * line of a known key must verify.
 * @param {Note} note @param {VerifierKey[]} keys @returns {Generator<[VerifierKey, bigint | null]>} one a line
 */
export function* signatures(note, keys) {
  for (const line of note.signatures) {
    const named = keys.filter((key) => key.name === line.name && key.id === line.id);
    if (named.length > 1) throw new Failure(`key of ${line.name}`, "is given by two of the keys");
    if (named.length === 1) yield [named[0], verify(named[0], note.text, line.blob)];
  }
}

/** The same, a repeated line counted once, as it stood first. @returns {Map<VerifierKey, bigint | null>} */
export function signers(note, keys) {
  const by = new Map();
  for (const [key, time] of signatures(note, keys)) if (!by.has(key)) by.set(key, time);
  return by;
}

/** The time that a signature states; throws where it does not verify. */
function verify(key, text, blob) {
  const place = `signature of ${key.name}`;
  if (blob.length !== SIGNATURE_SIZE[key.type]) throw new Failure(place, "has the wrong length for its key");
  if (key.type === ED25519) {
    if (!verifyEd25519(blob, encodeUtf8(text), key.public)) throw new Failure(place, "does not verify");
    return null;
  }
  const time = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0);
  let body;
  try {
    body = parseBody(text);
  } catch (error) {
    throw new Failure(place, `signs no checkpoint (${error.message})`);
  }
  const holds =
    key.type === COSIGNATURE
      ? verifyEd25519(blob.slice(8), cosignatureMessage(text, time), key.public)
      : verifyMlDsa44(blob.slice(8), subtreeMessage(key.name, time, body.origin, 0n, body.size, body.root), key.public);
  if (!holds) throw new Failure(place, "does not verify");
  return time;
}

/** What a 0x04 cosignature signs. */
export const cosignatureMessage = (text, time) => encodeUtf8(`cosignature/v1\ntime ${time}\n${text}`);

/** What a 0x06 cosignature signs: the subtree [start, end) of the log, a checkpoint for start 0. */
export function subtreeMessage(name, time, origin, start, end, root) {
  if (start !== 0n && time !== 0n) throw new Failure("timestamp", "must be 0 for a subtree that is no checkpoint");
  const [cosigner, log] = [encodeUtf8(name), encodeUtf8(origin)];
  if (cosigner.length > 255 || log.length > 255) throw new Failure("name or origin", "must be at most 255 bytes");
  const label = encodeUtf8("subtree/v1\n\0");
  const names = [Uint8Array.of(cosigner.length), cosigner, uint64(time), Uint8Array.of(log.length), log];
  return concat(label, ...names, uint64(start), uint64(end), root);
}

function uint64(value) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/**
 * Ed25519 as OpenSSL and the browsers check it: [S]B - [k]A must be encoded exactly as R (RFC 8032, 5.1.7, without the
 * cofactor). A library's own `verify` multiplies by the cofactor, so it accepts some signatures that others refuse.
 */
export function verifyEd25519(signature, message, key) {
  const order = ed25519.Point.Fn.ORDER;
  const s = littleEndian(signature.slice(32));
  if (signature.length !== 64 || s >= order) return false;
  const r = signature.slice(0, 32);
  const k = littleEndian(sha512(concat(r, key, message))) % order;
  try {
    const a = ed25519.Point.fromBytes(key, true);
    return sameBytes(ed25519.Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k)).toBytes(), r);
  } catch {
    return false; // the key is no point of the curve
  }
}

const littleEndian = (bytes) => bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** ML-DSA-44 (FIPS 204) with the empty context. */
export function verifyMlDsa44(signature, message, key) {
  try {
    return ml_dsa44.verify(signature, message, key);
  } catch {
    return false; // a length that the library refuses
  }
}

/** The lines of any log's checkpoint: origin, size, root, extensions. @param {string} text @returns {Body} */
export function parseBody(text) {
  checkText(text, "checkpoint");
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  if (root === undefined) throw new Failure("checkpoint", "must have the lines origin, size and root");
  const length = encodeUtf8(origin).length;
  if (length < 1 || length > 255) throw new Failure("origin", "must be 1 to 255 bytes");
  if (extensions.includes("")) throw new Failure("checkpoint", "has an empty extension line");
  return { origin, size: parseDecimal(size, "size"), root: parseBase64(root, "root", 32), extensions };
}
