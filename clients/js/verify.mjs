#!/usr/bin/env node
/**
 * `node verify.mjs verify RECEIPT --vkey FILE [--policy FILE] [--max-age SECONDS] [--json]`: checks a receipt offline, with
 * the result and the exit status of `python -m auditlog verify`: 0 it holds, 1 it does not (also: not yet published),
 * 2 the question could not be asked. What a browser needs is in receipt.mjs and policy.mjs.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { Failure, decodeUtf8 } from "./canonical.mjs";
import { parseKeyRing, parsePolicy } from "./policy.mjs";
import { verifyReceipt } from "./receipt.mjs";

const [HOLDS, FAILS, USAGE] = [0, 1, 2];
const HELP = "usage: node verify.mjs verify RECEIPT --vkey FILE [--policy FILE] [--max-age SECONDS] [--json]";

class UsageError extends Error {}

/** @param {string[]} words @returns {number} exit status */
function main(words) {
  let asked;
  try {
    asked = readQuestion(words);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`error: ${error.message}`);
    return USAGE;
  }
  try {
    const facts = verifyReceipt(asked.receipt, asked.trust);
    console.log(asked.json ? formatJson({ ok: true, ...facts }) : formatText(facts));
    return HOLDS;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const told = { ok: false, place: error.place, error: error.message };
    console.log(asked.json ? formatJson(told) : `FAILED: ${escaped(error.message)}`);
    return FAILS;
  }
}

function readQuestion(words) {
  const { values, positionals } = parsed(words);
  if (positionals.length !== 2 || positionals[0] !== "verify") throw new UsageError(HELP);
  if (values.vkey === undefined && values.policy === undefined) throw new UsageError("give --vkey, --policy or both");
  const maxAge = values["max-age"];
  if (maxAge !== undefined && !/^[0-9]{1,10}$/.test(maxAge)) throw new UsageError("--max-age: must be whole seconds");
  if (maxAge !== undefined && values.policy === undefined) throw new UsageError("--max-age: needs --policy");
  const receipt = read(positionals[1]);
  try {
    const policy = values.policy === undefined ? undefined : parsePolicy(read(values.policy));
    const ring = values.vkey === undefined ? policy.logs : parseKeyRing(decodeUtf8(read(values.vkey), "log.vkey"));
    if (ring.length === 0) throw new UsageError("--policy: names no log, so give --vkey as well");
    return { receipt, json: values.json, trust: { ring, policy, maxAge: maxAge && Number(maxAge) } };
  } catch (error) {
    throw error instanceof Failure ? new UsageError(error.message) : error;
  }
}

function parsed(words) {
  const text = { type: "string" };
  const options = { vkey: text, policy: text, "max-age": text, json: { type: "boolean", default: false } };
  try {
    return parseArgs({ args: words, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(`${error.message}\n${HELP}`);
  }
}

function read(path) {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new UsageError(`${path}: cannot be read: ${error.code}`);
  }
}

/** @param {{[name: string]: any}} facts */
function formatJson(facts) {
  const lines = Object.entries(facts).map(([name, value]) => {
    const text = typeof value === "bigint" ? String(value) : JSON.stringify(value, null, 2).replaceAll("\n", "\n  ");
    return `  ${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${lines.join(",\n")}\n}`;
}

function formatText(facts) {
  const opened = Object.keys(facts.openings).sort().join(", ") || "none";
  const lines = [`Entry ${facts.index} of ${facts.origin}: ${facts.kind}, ${facts.time}`, `Opened values that match it: ${opened}`];
  if (facts.witnesses !== undefined) lines.push(`Witnesses that confirmed it: ${Object.keys(facts.witnesses).join(", ") || "none"}`);
  lines.push(`OK: the receipt holds, its entry is in the log as signed at size ${facts.size}`);
  return lines.map(escaped).join("\n");
}

/** Names out of the file under test must not play with a terminal. */
const escaped = (text) => text.replace(/[^\x20-\x7e]/gu, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);

process.exitCode = main(process.argv.slice(2));
