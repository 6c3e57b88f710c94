import assert from "node:assert/strict";
import { test } from "node:test";

import { formatCanonical, parseCanonical, parseJson } from "../canonical.mjs";
import { OURS, attempt, bytesOf, filesIn, jsonOf, published, utf8 } from "./vectors.mjs";

const ours = jsonOf("formats.json", OURS).canonical;

test("our canonical forms are read and written as they are", () => {
  for (const text of ours.integers) assert.equal(formatCanonical(parseCanonical(utf8(text), "x")), text);
  for (const text of ours.fractions) assert.equal(formatCanonical(parseCanonical(utf8(text), "x", true)), text);
});

test("other spellings are refused, at the place that was asked about", () => {
  for (const text of ours.refused) {
    assert.throws(() => parseCanonical(utf8(text), "some place"), { place: "some place" }, text);
  }
});

test("names of objects that JavaScript gives a meaning are names", () => {
  const text = '{"__proto__":{"a":1},"constructor":2,"toString":3}';
  assert.equal(formatCanonical(parseCanonical(utf8(text), "x")), text);
  assert.equal(attempt(() => parseJson(utf8('{"__proto__":1,"__proto__":2}'), "x")), null);
});

test("64 levels are read, 65 are not", () => {
  const nested = (depth) => utf8("[".repeat(depth) + "]".repeat(depth));
  assert.notEqual(attempt(() => parseJson(nested(64), "x")), null);
  assert.equal(attempt(() => parseJson(nested(65), "x")), null);
  assert.equal(attempt(() => parseJson(utf8("[".repeat(100_000)), "x")), null);
});

test("RFC 8785: the published files", published, () => {
  for (const name of filesIn("jcs/input/")) {
    const expected = new TextDecoder().decode(bytesOf(name.replace("input", "output")));
    assert.equal(formatCanonical(parseJson(bytesOf(name), name)), expected, name);
  }
});

test("RFC 8785: 10,000 numbers", published, () => {
  const view = new DataView(new ArrayBuffer(8));
  const lines = new TextDecoder().decode(bytesOf("jcs/es6-numbers-10000.txt")).trimEnd().split("\n");
  assert.equal(lines.length, 10_000);
  for (const line of lines) {
    const [hex, expected] = line.split(",");
    view.setBigUint64(0, BigInt(`0x${hex}`));
    assert.equal(formatCanonical(view.getFloat64(0)), expected);
    assert.equal(formatCanonical(parseCanonical(utf8(expected), "x", true)), expected);
  }
});

test("JSON: what must be read is read, what must not is not", published, () => {
  const seen = { y: 0, n: 0 };
  // Strings of these are no Unicode text; integers of the last are written as no double is.
  const stricter = /surrogate|noncharacter_never|duplicated/;
  for (const name of filesIn("json-parsing/")) {
    const kind = name.split("/").pop()[0];
    if (kind === "i" || name.endsWith("LICENSE")) continue;
    const got = attempt(() => ({ value: parseJson(bytesOf(name), name) }));
    if (kind === "y" && stricter.test(name)) continue;
    seen[kind] += 1;
    assert.equal(got !== null, kind === "y", name);
  }
  assert.ok(seen.y > 80 && seen.n === 188, JSON.stringify(seen));
});
