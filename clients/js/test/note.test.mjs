import assert from "node:assert/strict";
import { test } from "node:test";

import {
  COSIGNATURE,
  cosignatureMessage,
  parseBody,
  parseNote,
  parseSignature,
  parseVkey,
  signers,
  subtreeMessage,
  verifyEd25519,
  verifyMlDsa44,
} from "../note.mjs";
import { openCheckpoint } from "../receipt.mjs";
import { OURS, attempt, casesOf, fromBase64, fromHex, jsonOf, published, toBase64, toHex, utf8 } from "./vectors.mjs";

const ours = jsonOf("formats.json", OURS).note;

test("our notes: each key signed, with its time", () => {
  const keys = ours.vkeys.map((vkey) => parseVkey(vkey));
  for (const text of Object.values(ours.checkpoints)) {
    assert.deepEqual([...signers(parseNote(utf8(text)), keys).values()], [null, 0n, 1_800_000_000n]);
  }
});

const named = (names) => ({ ok: true, ...names });
const operations = {
  parse_vkey({ vkey }) {
    const key = parseVkey(vkey);
    return named({ name: key.name, key_id: key.id, type: key.type, public_key_hex: toHex(key.public) });
  },
  open_note({ vkeys, note, note_b64 }) {
    const parsed = parseNote(note === undefined ? fromBase64(note_b64) : utf8(note));
    const by = signers(parsed, vkeys.map((vkey) => parseVkey(vkey)));
    if (by.size === 0) return null;
    const known = new Set([...by.keys()].map((key) => key.name + key.id));
    const others = parsed.signatures.filter(({ name, id }) => !known.has(name + id));
    const unverified = new Map(others.map((line) => [`${line.name} ${line.id} ${toHex(line.blob)}`, line.name]));
    return named({ text: parsed.text, verified: [...by.keys()].map(({ name }) => name), unverified: [...unverified.values()] });
  },
  split_note({ note }) {
    const { text, signatures } = parseNote(utf8(note));
    return named({ text, signatures: signatures.map(({ name, id }) => ({ name, key_id: id })) });
  },
  verify_cosignature({ body, line, vkey }) {
    const key = parseVkey(vkey);
    const by = signers({ text: body, signatures: [parseSignature(line.trimEnd())] }, [key]);
    return by.size === 0 ? null : named({ timestamp: Number(by.get(key)), type: key.type });
  },
  verify_subtree_cosignature({ origin, start, end, hash_b64, line, vkey }) {
    const key = parseVkey(vkey);
    const { blob } = parseSignature(line.trimEnd());
    const time = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0);
    const message = subtreeMessage(key.name, time, origin, BigInt(start), BigInt(end), fromBase64(hash_b64));
    return verifyMlDsa44(blob.slice(8), message, key.public) ? named({ timestamp: Number(time) }) : null;
  },
  cosignature_message({ type, timestamp, body, cosigner_name, origin, start, end, hash_b64 }) {
    const message =
      type === COSIGNATURE
        ? cosignatureMessage(body, timestamp)
        : subtreeMessage(cosigner_name, BigInt(timestamp), origin, BigInt(start ?? 0), BigInt(end), fromBase64(hash_b64));
    return named({ message_b64: toBase64(message) });
  },
  cosignature_timestamp({ signature_b64 }) {
    const { blob } = parseSignature(`\u2014 any ${signature_b64}`);
    return blob.length === 72 ? named({ timestamp: Number(new DataView(blob.buffer).getBigUint64(0)) }) : null;
  },
};

test("published notes and cosignatures", published, () => {
  let seen = 0;
  for (const { name, op, input, expect, conflict } of [...casesOf("signed-note.json"), ...casesOf("cosignature.json")]) {
    if (op === "sign_note") continue; // this verifier holds no private keys
    seen += 1;
    // conflict: the key id of vkey-0x06 is not its hash, which a strict reader refuses
    const expected = expect.ok === false || conflict ? null : { ok: true, ...expect };
    assert.deepEqual(attempt(() => operations[op](input)), expected, name);
  }
  assert.equal(seen, 75);
});

test("published bodies of checkpoints; roots of 32 bytes only", published, () => {
  for (const { name, op, input, expect } of casesOf("checkpoint.json")) {
    if (op !== "parse_checkpoint_body") continue;
    const body = attempt(() => parseBody(input.body));
    const fits = expect.ok && fromBase64(expect.hash_b64).length === 32;
    assert.equal(body !== null, fits, name);
    if (!fits) continue;
    assert.deepEqual([body.origin, Number(body.size), toBase64(body.root)], [expect.origin, expect.size, expect.hash_b64]);
    assert.equal(body.extensions.map((line) => `${line}\n`).join(""), expect.extension);
  }
});

test("published checkpoints", published, () => {
  for (const { name, op, input, expect, optional } of casesOf("checkpoint.json")) {
    if (op !== "open_checkpoint") continue;
    const body = attempt(() => {
      const ring = input.vkeys.map((vkey) => ({ key: parseVkey(vkey), from: 0n, until: null }));
      const opened = openCheckpoint(utf8(input.checkpoint), ring);
      return opened.origin === input.origin ? opened : null;
    });
    // A log whose keys bear another name is refused: a ring tells logs apart by the names of their keys.
    const foreign = input.vkeys.some((vkey) => !vkey.startsWith(`${input.origin}+`));
    assert.ok(body !== null ? expect.ok : optional || foreign || !expect.ok, name);
    if (body !== null) assert.deepEqual([Number(body.size), toBase64(body.root)], [expect.size, expect.hash_b64]);
  }
});

test("Wycheproof: Ed25519", published, () => {
  const groups = jsonOf("wycheproof/ed25519_test.json").testGroups;
  let seen = 0;
  for (const { publicKey, tests } of groups) {
    for (const { tcId, msg, sig, result } of tests) {
      seen += 1;
      assert.equal(verifyEd25519(fromHex(sig), fromHex(msg), fromHex(publicKey.pk)), result === "valid", `case ${tcId}`);
    }
  }
  assert.equal(seen, 151);
});

test("Wycheproof: ML-DSA-44", published, () => {
  let seen = 0;
  for (const { publicKey, tests } of jsonOf("wycheproof/mldsa_44_verify_test.json").testGroups) {
    for (const { tcId, msg, sig, ctx, result } of tests) {
      seen += 1;
      if (ctx) continue; // cosignatures use the empty context
      assert.equal(verifyMlDsa44(fromHex(sig), fromHex(msg), fromHex(publicKey)), result === "valid", `case ${tcId}`);
    }
  }
  assert.equal(seen, 180);
});
