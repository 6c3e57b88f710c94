import assert from "node:assert/strict";
import { test } from "node:test";

import { sha256 } from "@noble/hashes/sha2.js";

import { formatCanonical } from "../canonical.mjs";
import { parseEntry } from "../entry.mjs";
import { parseVkey } from "../note.mjs";
import { NotPublished, parseKeyRing, parsePolicy } from "../policy.mjs";
import { commit, parseProof, rootFromInclusion, verifyProof, verifyReceipt } from "../receipt.mjs";
import { OURS, attempt, casesOf, filesIn, fromBase64, fromHex, jsonOf, published, toBase64, toHex, utf8 } from "./vectors.mjs";

const formats = jsonOf("formats.json", OURS);
const receipts = jsonOf("receipts.json", OURS);
const ring = parseKeyRing(receipts.vkeys.map((vkey) => `${vkey}\n`).join(""));
const verify = (text, trust = { ring }) => verifyReceipt(utf8(text), trust);

test("our receipt holds, in any layout", () => {
  const facts = verify(receipts.receipt);
  assert.deepEqual([facts.origin, facts.size, facts.index, facts.kind], [receipts.origin, 5, 4, "decision/1"]);
  assert.equal(facts.openings.outcome, "refuse");
  const relaid = verify(JSON.stringify(JSON.parse(receipts.receipt)));
  assert.equal(formatCanonical(relaid), formatCanonical(facts));
});

test("each part that is changed is named", () => {
  const changed = (change) => {
    const value = JSON.parse(receipts.receipt);
    change(value);
    return JSON.stringify(value);
  };
  const cases = {
    receipt: (value) => (value.more = 1),
    entry: (value) => (value.entry = value.entry.replace('"n":7', '"n":-7')),
    proof: (value) => (value.entry = value.entry.replace('"n":7', '"n":8')),
    openings: (value) => value.openings.push(value.openings[0]),
    "openings.outcome": (value) => (value.openings.find(({ field }) => field === "outcome").value = "grant"),
    "openings.in_absent": (value) => (value.openings[0].field = "in_absent"),
    "openings[0]": (value) => (value.openings[0].more = 1),
    "openings.output.salt": (value) => {
      const output = value.openings.find(({ field }) => field === "output");
      output.salt = output.salt.toUpperCase();
    },
  };
  for (const [place, change] of Object.entries(cases)) assert.throws(() => verify(changed(change)), { place }, place);
  assert.throws(() => verify(changed((value) => (value.proof = value.proof.replace("index 4", "index 3")))), { place: "proof" });
  const cut = changed((value) => (value.proof = value.proof.split("\n").slice(0, -2).join("\n") + "\n"));
  assert.throws(() => verify(cut), { place: "proof" }); // one of the two signatures is gone
});

test("keys that are not valid at the size do not help", () => {
  const late = parseKeyRing(receipts.vkeys.map((vkey) => `# valid from 6\n${vkey}\n`).join(""));
  assert.throws(() => verify(receipts.receipt, { ring: late }), { place: "proof" });
  const both = parseKeyRing(`${receipts.vkeys[0]}\n# valid from 0 until 5\n${receipts.vkeys[1]}\n`);
  assert.equal(verify(receipts.receipt, { ring: both }).size, 5);
});

test("a quorum that lacks is a verdict of its own", () => {
  const cosigner = formats.note.vkeys[2];
  const policy = parsePolicy(`witness w ${cosigner}\nquorum w\n`);
  assert.throws(() => verify(receipts.receipt, { ring, policy }), NotPublished);
  assert.throws(() => verify(receipts.receipt, { ring, policy }), { place: "policy" });
  assert.deepEqual(verify(receipts.receipt, { ring, policy: parsePolicy("quorum none\n") }).witnesses, {});
});

test("receipts of every time under one policy file", () => {
  const { policies, cases } = jsonOf("rotation.json", OURS);
  for (const { name, policy: named, receipt, max_age: maxAge, now, expect } of cases) {
    const policy = parsePolicy(policies[named]);
    const trust = { ring: policy.logs, policy, maxAge, now };
    if (expect.ok) {
      const { ok, ...expected } = expect;
      const facts = verify(receipt, trust);
      for (const [member, value] of Object.entries(expected)) assert.deepEqual(facts[member], value, `${name}: ${member}`);
      continue;
    }
    const error = caught(() => verify(receipt, trust));
    assert.equal(error?.place, expect.place, name);
    assert.equal(error instanceof NotPublished, expect.verdict === "not_yet_published", name);
  }
  assert.ok(cases.length > 35);
});

function caught(act) {
  try {
    act();
  } catch (error) {
    return error;
  }
}

test("entries", () => {
  const entries = jsonOf("entries.json", OURS);
  for (const text of entries.valid) assert.equal(parseEntry(utf8(text)).known, true);
  for (const text of entries.opaque) assert.equal(parseEntry(utf8(text)).known, false);
  for (const { field, entry } of entries.invalid) assert.throws(() => parseEntry(utf8(entry)), { place: field });
  for (const text of entries.not_canonical) assert.throws(() => parseEntry(utf8(text)), { place: "entry" });
});

test("commitments", () => {
  for (const { value, canonical, salt, commitment } of jsonOf("commitments.json", OURS).cases) {
    assert.equal(formatCanonical(value), canonical);
    assert.equal(commit(salt, value), commitment);
  }
  for (const { text, times, salt, commitment } of jsonOf("commitments.json", OURS).large) {
    assert.equal(commit(salt, text.repeat(times)), commitment);
  }
});

test("our inclusion proofs, and our proof file", () => {
  for (const { index, size, proof } of formats.merkle.inclusion) {
    const leaf = sha256(Uint8Array.of(0, ...utf8(`entry ${index}`)));
    const root = rootFromInclusion(leaf, BigInt(index), BigInt(size), proof.map(fromHex));
    assert.equal(toHex(root), formats.merkle.roots[size]);
  }
  const keys = formats.note.vkeys.slice(0, 2).map((vkey) => ({ key: parseVkey(vkey), from: 0n, until: null }));
  const proof = parseProof(utf8(formats.note.proof_of_entry_11));
  assert.equal(verifyProof(proof, utf8("entry 11"), keys).size, 17n);
  assert.throws(() => verifyProof(proof, utf8("entry 12"), keys), { place: "proof" });
});

test("published inclusion proofs", published, () => {
  let seen = 0;
  for (const name of filesIn("merkle/inclusion/")) {
    const { leafIdx, treeSize, root, leafHash, proof, wantErr } = jsonOf(name);
    seen += 1;
    const leaf = fromBase64(leafHash ?? "");
    if (fromBase64(root ?? "").length !== 32 || leaf.length !== 32) continue; // a dummy, no hash
    const path = (proof ?? []).map(fromBase64);
    const got = attempt(() => toBase64(rootFromInclusion(leaf, BigInt(leafIdx), BigInt(treeSize), path)));
    assert.equal(got === root, !wantErr, name);
  }
  assert.equal(seen, 98);
});

test("published proof files", published, () => {
  let seen = 0;
  for (const { name, op, input, expect, optional } of casesOf("tlog-proof.json")) {
    if (op !== "verify_proof") continue;
    seen += 1;
    const got = attempt(() => {
      const keys = input.vkeys.map((vkey) => ({ key: parseVkey(vkey), from: 0n, until: null }));
      const proof = parseProof(input.proof === undefined ? fromBase64(input.proof_b64) : utf8(input.proof));
      const body = verifyProof(proof, fromBase64(input.entry_b64), keys);
      return body.origin === input.origin ? [Number(proof.index), Number(body.size), proof.hashes.length] : null;
    });
    if (optional) continue;
    assert.deepEqual(got, expect.ok ? [expect.index, expect.size, expect.hashes] : null, name);
  }
  assert.ok(seen >= 28);
});
