#!/usr/bin/env node
/**
 * `node verify.mjs verify RECEIPT [--vkey FILE] [--policy FILE] [--max-age SECONDS] [--json]`: checks a receipt offline,
 * with the result and the exit status of `python -m auditlog verify`: 0 it holds, 1 it does not (also: not yet published),
 * 2 the question could not be asked. What a browser needs is in receipt.mjs and policy.mjs.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { Failure, decodeUtf8 } from "./canonical.mjs";
import { NotPublished, parseKeyRing, parsePolicy } from "./policy.mjs";
import { verifyReceipt } from "./receipt.mjs";

const [HOLDS, FAILS, USAGE] = [0, 1, 2];
const HELP = "usage: node verify.mjs verify RECEIPT [--vkey FILE] [--policy FILE] [--max-age SECONDS] [--json]";

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
    console.log(asked.json ? formatJson({ ok: true, ...facts }) : formatText(facts, asked.trust.policy !== undefined));
    return HOLDS;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const told = { ok: false, place: error.place, error: error.message };
    if (error instanceof NotPublished) told.verdict = "not_yet_published";
    console.log(asked.json ? formatJson(told) : `FAILED: ${escaped(error.message)}`);
    return FAILS;
  }
}

function readQuestion(words) {
  const { values, positionals } = parsed(words);
  if (positionals.length !== 2 || positionals[0] !== "verify") throw new UsageError(HELP);
  const { vkey, policy, json, "max-age": maxAge } = values;
  if (vkey === undefined && policy === undefined) {
    throw new UsageError("give --vkey FILE or --policy FILE, from a source that you trust");
  }
  if (maxAge !== undefined && !/^[0-9]{1,12}$/.test(maxAge)) throw new UsageError("--max-age: must be whole seconds");
  if (maxAge !== undefined && policy === undefined) throw new UsageError("--max-age: needs --policy");
  try {
    const trust = readTrust(vkey, policy);
    return { receipt: read(positionals[1]), json, trust: { ...trust, maxAge: maxAge && Number(maxAge) } };
  } catch (error) {
    throw error instanceof Failure ? new UsageError(error.message) : error;
  }
}

/** Keys, policy or both. What both say of a log must be the same. */
function readTrust(vkey, path) {
  const own = vkey === undefined ? [] : parseKeyRing(decodeUtf8(read(vkey), "log.vkey"));
  if (path === undefined) return { ring: own };
  const policy = parsePolicy(read(path));
  const names = new Set(own.map(({ key }) => key.name));
  for (const name of names) {
    const [left, right] = [own, policy.logs].map((keys) => keys.filter(({ key }) => key.name === name).map(line).sort());
    if (right.length > 0 && left.join() !== right.join()) {
      throw new UsageError(`--vkey and --policy give different keys for ${name}: one of them is out of date or false`);
    }
  }
  const ring = [...own, ...policy.logs.filter(({ key }) => !names.has(key.name))];
  if (ring.length === 0) throw new UsageError("--policy: names no log: give the log's keys with --vkey");
  return { ring, policy };
}

const line = ({ key, from, until }) => `${key.text} ${from} ${until}`;

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

function formatText(facts, asksWitnesses) {
  const opened = Object.keys(facts.openings).sort().join(", ") || "none";
  const lines = [`Entry ${facts.index} of ${facts.origin}: ${facts.kind}, ${facts.time}`, `Opened values that match it: ${opened}`];
  const times = Object.entries(facts.witnesses).map(([name, time]) => `${name} (${minute(time)})`);
  if (times.length > 0) lines.push(`Cosigned by ${times.join(", ")}`);
  else if (asksWitnesses) lines.push("No witness that the policy names has cosigned it; the policy demands none.");
  const published = facts.verdict === "published" ? ", and published: the witnesses that the policy demands have cosigned it" : "";
  lines.push(`OK: the receipt holds, its entry is in the log as signed at size ${facts.size}${published}`);
  return lines.map(escaped).join("\n");
}

/** UTC, as entries write times. @param {number} time POSIX seconds */
const minute = (time) => (time < 253_402_300_800 ? `${new Date(time * 1000).toISOString().slice(0, 16)}Z` : "9999-12-31T23:59Z");

/** Names out of the files under test must not play with a terminal. */
const escaped = (text) => text.replace(/[^\x20-\x7e]/gu, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);

process.exitCode = main(process.argv.slice(2));
