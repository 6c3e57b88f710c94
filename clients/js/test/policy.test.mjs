import assert from "node:assert/strict";
import { test } from "node:test";

import { parseNote, parseVkey } from "../note.mjs";
import { NotPublished, checkPolicy, keysAt, parseKeyRing, parsePolicy } from "../policy.mjs";
import { openCheckpoint } from "../receipt.mjs";
import { OURS, attempt, bytesOf, casesOf, filesIn, fromBase64, jsonOf, published, toBase64, utf8 } from "./vectors.mjs";

const [ED, ML] = jsonOf("formats.json", OURS).note.vkeys;
const { name: ORIGIN } = parseVkey(ED);

test("a key file: sizes stand above the key", () => {
  const ring = parseKeyRing(`# ours\n# valid from 0 until 7\n${ED}\n\n# valid from 7\n${ML}\n`);
  const at = (size) => keysAt(ring, ORIGIN, size).map(({ text }) => text);
  assert.deepEqual([at(0n), at(6n), at(7n), at(8n)], [[ED], [ED], [ML], [ML]]);
  assert.throws(() => keysAt(ring, "other", 1n), { place: "origin" });
  assert.throws(() => keysAt(parseKeyRing(`# valid from 7\n${ED}\n`), ORIGIN, 6n), /no key that is valid at size 6/);
});

test("sizes begin with a word of their own: other comments may say anything", () => {
  assert.equal(parseKeyRing(`# validity is told by sizes\n${ED}\n`).length, 1); // as auditlog.core.formats.keyring has it
});

test("key files that are refused", () => {
  const wrong = [
    "",
    ED,
    `${ED}\n${ED}\n`,
    "# only a comment\n",
    `# valid from 7 until 7\n${ED}\n`,
    `# valid from 07\n${ED}\n`,
    `# valid until 7\n${ED}\n`,
    `# valid from 1\n# valid from 2\n${ED}\n`,
    `${ED}\n# valid from 1\n`,
    `${ED} \n`,
  ];
  for (const text of wrong) assert.equal(attempt(() => parseKeyRing(text)), null, JSON.stringify(text));
});

test("one policy file: its logs, their keys' sizes", () => {
  const policy = parsePolicy(`# valid from 0 until 7\nlog ${ED}\n# valid from 7\nlog ${ML}\nquorum none\n`);
  assert.deepEqual(policy.logs.map(({ from, until }) => [from, until]), [[0n, 7n], [7n, null]]);
  assert.equal(attempt(() => parsePolicy("# valid from 1\nquorum none\n")), null);
});

test("words that objects know are no thresholds", () => {
  const witness = casesOfOurs();
  for (const word of ["constructor", "toString", "01", "1.0", "+1", "1e0"]) {
    assert.equal(attempt(() => parsePolicy(`${witness}group g ${word} w\nquorum g\n`)), null, word);
  }
  assert.notEqual(attempt(() => parsePolicy(`${witness}group g 1 w\nquorum g\n`)), null);
});

function casesOfOurs() {
  const cosigner = jsonOf("formats.json", OURS).note.vkeys[2];
  return `witness w ${cosigner}\n`;
}

test("a quorum, its age, and what is not yet published", () => {
  const { checkpoints, vkeys } = jsonOf("formats.json", OURS).note;
  const note = parseNote(utf8(checkpoints["17"]));
  const [, , cosigner] = vkeys;
  const policy = parsePolicy(`witness w ${cosigner}\nquorum w\n`);
  const now = 1_800_000_100;
  assert.deepEqual([...checkPolicy(policy, note, undefined, now)], [["w", 1_800_000_000n]]);
  assert.deepEqual([...checkPolicy(policy, note, 100, now)], [["w", 1_800_000_000n]]);
  assert.throws(() => checkPolicy(policy, note, 99, now), { place: "policy" });
  const bare = { ...note, signatures: note.signatures.slice(0, 2) };
  assert.throws(() => checkPolicy(policy, bare, undefined, now), NotPublished);
});

test("published policies", published, () => {
  const read = ({ policy, policy_b64 }) => parsePolicy(policy === undefined ? fromBase64(policy_b64) : policy);
  for (const { name, op, input, expect } of casesOf("tlog-policy.json")) {
    if (op !== "parse_policy") continue;
    const policy = attempt(() => read(input));
    assert.equal(policy !== null, expect.ok, name);
    if (policy === null) continue;
    const groups = Object.fromEntries([...policy.groups].map(([group, { atLeast, members }]) => [group, [atLeast, members]]));
    const names = policy.witnesses.map((witness) => witness.name);
    const octets = names.map((text) => toBase64(Uint8Array.from(text, (octet) => octet.charCodeAt(0))));
    const got = { logs: policy.logs.map(({ key }) => key.text), witnesses: names, groups, witness_names_b64: octets };
    for (const [member, value] of Object.entries({ ...got, quorum: policy.quorum ?? "none" })) {
      if (expect[member] !== undefined) assert.deepEqual(value, expect[member], `${name} ${member}`);
    }
  }
});

test("published checkpoints against policies", published, () => {
  let seen = 0;
  for (const { name, op, input, expect } of casesOf("tlog-policy.json")) {
    if (op !== "verify_checkpoint") continue;
    seen += 1;
    const policy = parsePolicy(input.policy);
    const data = utf8(input.checkpoint);
    const logged = attempt(() => openCheckpoint(data, policy.logs)) !== null;
    const cosigned = attempt(() => checkPolicy(policy, parseNote(data), undefined, 0)) !== null;
    const wrong = logged ? (cosigned ? undefined : "quorum") : "log";
    assert.equal(wrong, expect.error, name);
  }
  assert.equal(seen, 16);
});

test("policies of real witnesses", published, () => {
  for (const name of filesIn("tlog-policy/").filter((one) => !one.endsWith("log-list.txt"))) {
    const policy = parsePolicy(`${new TextDecoder().decode(bytesOf(name))}quorum none\n`);
    assert.ok(policy.witnesses.length > 0, name);
  }
});

test("a log is not its own witness", () => {
  const text = `log ${ML}\nwitness friend ${ML}\nquorum friend\n`;
  assert.throws(() => parsePolicy(text), /policy line 2/);
});
