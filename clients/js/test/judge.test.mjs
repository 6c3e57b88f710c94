import assert from "node:assert/strict";
import { test } from "node:test";

import { judge } from "../judge.mjs";
import { OURS, jsonOf, utf8 } from "./vectors.mjs";

const { receipt, vkeys, origin } = jsonOf("receipts.json", OURS);
const ring = vkeys.map((vkey) => `${vkey}\n`).join("");
const logs = vkeys.map((vkey) => `log ${vkey}\n`).join("");
const cosigner = jsonOf("formats.json", OURS).note.vkeys[2];
const said = (text, keys = ring) => {
  const { facts, ...verdict } = judge(utf8(text), keys);
  return verdict;
};

test("genuine, with a key file or a policy", () => {
  assert.equal(judge(utf8(receipt), ring).facts.openings.outcome, "refuse");
  assert.deepEqual(said(receipt), { verdict: "published", witnesses: 0 });
  assert.deepEqual(said(receipt, ring.trimEnd()), { verdict: "published", witnesses: 0 });
  assert.deepEqual(said(receipt, `${logs}quorum none`), { verdict: "published", witnesses: 0 });
});

test("genuine, not yet published", () => {
  const found = judge(utf8(receipt), `${logs}witness w ${cosigner}\nquorum w\n`);
  assert.equal(found.verdict, "integrated");
  assert.equal(found.facts.origin, origin);
});

test("altered: the part, and the field of an opened value", () => {
  assert.deepEqual(said(receipt.replace('"refuse"', '"grant"')), { verdict: "altered", part: "openings", name: "outcome" });
  assert.deepEqual(said(receipt.replace("0.375", "0.376")), { verdict: "altered", part: "openings", name: "ratio" });
  assert.deepEqual(said(receipt.replace("live", "test")), { verdict: "altered", part: "proof" });
  assert.deepEqual(said(receipt.replace("live", "lief")), { verdict: "altered", part: "entry" });
  assert.deepEqual(said("{}"), { verdict: "altered", part: "receipt" });
  assert.deepEqual(said(receipt.replaceAll('"field"', '"name"')), { verdict: "altered", part: "receipt" });
});

test("of another log, of another kind, with keys that are none", () => {
  assert.deepEqual(said(receipt.replaceAll(`${origin}\\n`, "elsewhere.example/1\\n")), { verdict: "not_found" });
  const value = JSON.parse(receipt);
  const [, system] = jsonOf("entries.json", OURS).valid;
  assert.deepEqual(said(JSON.stringify({ ...value, entry: system, openings: [] })), { verdict: "could_not_check", why: "kind" });
  const later = '{"kind":"later/1"}';
  assert.deepEqual(said(JSON.stringify({ ...value, entry: later })), { verdict: "could_not_check", why: "kind" });
  for (const keys of ["", "hello", "quorum none", `${logs}quorum w`]) {
    assert.deepEqual(said(receipt, keys), { verdict: "could_not_check", why: "keys" }, keys);
  }
});
