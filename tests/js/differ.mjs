/** One question a line on stdin, one verdict a line on stdout: what the JavaScript verifier says of a receipt. */
import { createInterface } from "node:readline";

import { Failure } from "../../clients/js/canonical.mjs";
import { NotPublished, parseKeyRing, parsePolicy } from "../../clients/js/policy.mjs";
import { verifyReceipt } from "../../clients/js/receipt.mjs";

const encode = (text) => new Uint8Array(Buffer.from(text, "base64"));

function trustOf({ ring, policy, max_age: maxAge, now }) {
  const parsed = policy === null ? undefined : parsePolicy(policy);
  return { ring: ring === null ? parsed.logs : parseKeyRing(ring), policy: parsed, maxAge: maxAge ?? undefined, now };
}

function judge(question) {
  let trust;
  try {
    trust = trustOf(question);
  } catch (error) {
    if (error instanceof Failure) return { trusted: false };
    throw error;
  }
  try {
    const facts = verifyReceipt(encode(question.receipt), trust);
    return { ok: true, ...facts, size: String(facts.size), index: String(facts.index) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { ok: false, place: error.place, published: !(error instanceof NotPublished) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(judge(JSON.parse(line)))}\n`);
}
