/**
 * Forms with one spelling per value: RFC 8785 JSON, decimals, base64, names. What is hashed or signed has exactly one
 * spelling, so each reader here writes the value again and compares.
 * `JSON.parse` would take repeated names and round large integers, so JSON is read here.
 */

/** @typedef {null | boolean | number | string | Json[] | {[name: string]: Json}} Json */

export const MAX_UINT64 = 2n ** 64n - 1n;
const MAX_DEPTH = 64;
const MAX_NAME = 255; // bytes: ML-DSA-44 cosignatures give names a length of one byte

/** Something does not hold. `place` is the part of the receipt (or line, or member) that is wrong. */
export class Failure extends Error {
  /** @param {string} place @param {string} message */
  constructor(place, message) {
    super(`${place}: ${message}`);
    this.place = place;
  }
}

/**
 * Runs `read`; a failure inside it is told of `part`, unless it names that part already.
 * @template T @param {string} part @param {() => T} read @returns {T}
 */
export function within(part, read) {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Failure) || error.place.startsWith(part)) throw error;
    throw new Failure(part, error.message);
  }
}

/** @param {Uint8Array} data @param {string} place @returns {string} */
export function decodeUtf8(data, place) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Failure(place, "is not UTF-8");
  }
}

/** @param {string} text @returns {Uint8Array} */
export const encodeUtf8 = (text) => new TextEncoder().encode(text);

const SURROGATE = /\p{Surrogate}/u; // with the u flag only a half without its other half matches
const STRING_END = /["\\\u0000-\u001f]/g;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = { true: true, false: false, null: null };

class Reader {
  /** @param {string} text @param {boolean} fractions @param {string} place */
  constructor(text, fractions, place) {
    Object.assign(this, { text, fractions, place, at: 0 });
  }

  fail(message) {
    return new Failure(this.place, message);
  }

  blank() {
    while (" \t\n\r".includes(this.text[this.at])) this.at += 1;
  }

  /** Moves past `sign` if it comes next. */
  took(sign) {
    this.blank();
    if (this.text[this.at] !== sign) return false;
    this.at += 1;
    return true;
  }

  demand(sign) {
    if (!this.took(sign)) throw this.fail(`is not JSON: ${sign} expected at character ${this.at}`);
  }

  /** @param {number} depth how many levels may still open @returns {Json} */
  value(depth) {
    this.blank();
    const sign = this.text[this.at];
    if (sign === "{" || sign === "[") {
      if (depth === 0) throw this.fail(`is nested more than ${MAX_DEPTH} levels deep`);
      this.at += 1;
      return sign === "{" ? this.object(depth - 1) : this.array(depth - 1);
    }
    if (sign === '"') return this.string();
    for (const [word, meaning] of Object.entries(WORDS)) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return meaning;
      }
    }
    return this.number();
  }

  object(depth) {
    const members = Object.create(null); // no prototype: "__proto__" is a name like any other
    if (this.took("}")) return members;
    do {
      this.blank();
      const name = this.string();
      if (name in members) throw this.fail("is JSON with the same member name twice in one object");
      this.demand(":");
      members[name] = this.value(depth);
    } while (this.took(","));
    this.demand("}");
    return members;
  }

  array(depth) {
    const items = [];
    if (this.took("]")) return items;
    do items.push(this.value(depth));
    while (this.took(","));
    this.demand("]");
    return items;
  }

  string() {
    if (this.text[this.at] !== '"') throw this.fail(`is not JSON: a string expected at character ${this.at}`);
    const pieces = [];
    for (let from = this.at + 1; ; from = this.at) {
      STRING_END.lastIndex = from;
      const end = STRING_END.exec(this.text)?.index ?? this.text.length;
      pieces.push(this.text.slice(from, end));
      this.at = end + 1;
      if (this.text[end] === '"') break;
      if (this.text[end] !== "\\") throw this.fail("is not JSON: a string has a control character, or no end");
      pieces.push(this.escape());
    }
    const whole = pieces.join("");
    if (SURROGATE.test(whole)) throw this.fail("holds half of a surrogate pair: it is no Unicode text");
    return whole;
  }

  escape() {
    const sign = this.text[this.at];
    this.at += 1;
    if (sign !== "u") {
      if (sign === undefined || !Object.hasOwn(ESCAPES, sign)) throw this.fail("is not JSON: an unknown escape");
      return ESCAPES[sign];
    }
    const digits = this.text.slice(this.at, this.at + 4);
    if (!/^[0-9A-Fa-f]{4}$/.test(digits)) throw this.fail("is not JSON: \\u needs four hex digits");
    this.at += 4;
    return String.fromCharCode(parseInt(digits, 16));
  }

  number() {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) throw this.fail(`is not JSON: a value expected at character ${this.at}`);
    this.at += match[0].length;
    const value = Number(match[0]);
    if (match[1] === undefined && match[2] === undefined) {
      // Among fractions a large whole number may be a double: then these digits are how RFC 8785 writes it.
      if (Number.isSafeInteger(value) || (this.fractions && String(value) === match[0])) return value;
      throw this.fail("is JSON with an integer beyond ±(2^53-1): write it as a string");
    }
    if (!this.fractions) throw this.fail("is JSON with a fraction: use a whole number of a smaller unit");
    if (!Number.isFinite(value)) throw this.fail("is JSON with a number too large for a double");
    return value;
  }
}

/**
 * The value of JSON in any layout, fractions allowed; refused are names given twice, numbers that no double holds, and
 * half surrogates.
 * @param {Uint8Array} data @param {string} place @returns {Json}
 */
export function parseJson(data, place, fractions = true) {
  const reader = new Reader(decodeUtf8(data, place), fractions, place);
  const value = reader.value(MAX_DEPTH);
  reader.blank();
  if (reader.at !== reader.text.length) throw reader.fail(`is not JSON: more follows at character ${reader.at}`);
  return value;
}

/**
 * The value of RFC 8785 JSON; any other spelling of it is refused.
 * @param {Uint8Array} data @param {string} place @returns {Json}
 */
export function parseCanonical(data, place, fractions = false) {
  const value = parseJson(data, place, fractions);
  if (formatCanonical(value) !== decodeUtf8(data, place)) {
    throw new Failure(place, "is JSON, but not in its canonical form (RFC 8785)");
  }
  return value;
}

/**
 * RFC 8785: members sorted by UTF-16 code units (how JavaScript compares strings), numbers and strings as
 * ECMAScript writes them.
 * @param {Json} value @returns {string}
 */
export function formatCanonical(value) {
  if (Array.isArray(value)) return `[${value.map(formatCanonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${formatCanonical(value[name])}`).join(",")}}`;
}

/** An unsigned 64-bit number in digits, without sign or leading zero. @param {string} text @returns {bigint} */
export function parseDecimal(text, place) {
  if (!/^(?:0|[1-9][0-9]{0,19})$/.test(text)) {
    throw new Failure(place, "must be a decimal number without sign, spaces or leading zeros");
  }
  const value = BigInt(text);
  if (value > MAX_UINT64) throw new Failure(place, `must be at most ${MAX_UINT64}`);
  return value;
}

/** Standard base64 with padding and zero pad bits. @param {string} text @returns {Uint8Array} */
export function parseBase64(text, place, length) {
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw new Failure(place, "must be standard base64 with padding");
  }
  if (btoa(binary) !== text) throw new Failure(place, "must be standard base64 in its canonical form");
  if (length !== undefined && binary.length !== length) throw new Failure(place, `must be the base64 of ${length} bytes`);
  return Uint8Array.from(binary, (sign) => sign.charCodeAt(0));
}

/** @param {Uint8Array} data @returns {string} */
export const formatBase64 = (data) => btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""));

const NO_NAME = /[\u0000-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000+]/;

/** Refuses what cannot be a key's name (c2sp.org/signed-note), or a log's origin. @param {string} name */
export function checkName(name, place) {
  if (name === "" || NO_NAME.test(name)) {
    throw new Failure(place, "must be a non-empty name without white space, control characters or '+'");
  }
  if (SURROGATE.test(name)) throw new Failure(place, "must be Unicode text");
  if (encodeUtf8(name).length > MAX_NAME) throw new Failure(place, `must be at most ${MAX_NAME} bytes`);
}

/** Refuses what cannot be a note's text: it ends with a newline and has no other control character. */
export function checkText(text, place) {
  if (!text.endsWith("\n")) throw new Failure(place, "must end with a newline");
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) throw new Failure(place, "has a control character");
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export const sameBytes = (a, b) => a.length === b.length && a.every((byte, position) => byte === b[position]);

/** @param {Uint8Array[]} parts */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
