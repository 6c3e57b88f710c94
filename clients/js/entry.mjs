/** Entries, read strictly by the table of kinds. Failures name the member, never the value that was given. */
import { Failure, parseCanonical } from "./canonical.mjs";
import { COMMON, FIELD_ID, INPUT_PREFIX, KINDS, KIND_NAME, MEANING, PATTERNS } from "./kinds.mjs";

/** @typedef {import("./canonical.mjs").Json} Json */
/** @typedef {{kind: string, known: boolean, members: {[name: string]: any}, commitments: {[field: string]: string}}} Entry */

const MAX_ENTRY = 65_535; // bytes
const whole = (pattern) => new RegExp(`^(?:${pattern})$`);
const SHAPES = Object.fromEntries(Object.entries(PATTERNS).map(([type, pattern]) => [type, whole(pattern)]));
const KIND_SHAPE = whole(KIND_NAME);
const FIELD_SHAPE = whole(FIELD_ID);

/**
 * An entry of the log. Of a kind that this program does not know only its form is checked (`known` is false).
 * @param {Uint8Array} data @returns {Entry}
 */
export function parseEntry(data) {
  if (data.length > MAX_ENTRY) throw new Failure("entry", `is ${data.length} bytes long; at most ${MAX_ENTRY} are allowed`);
  const value = parseCanonical(data, "entry");
  if (!isObject(value)) throw new Failure("entry", "must be a JSON object");
  if (typeof value.kind !== "string" || !KIND_SHAPE.test(value.kind)) {
    throw new Failure("kind", 'must be a name and a version, such as "decision/1"');
  }
  const known = Object.hasOwn(KINDS, value.kind);
  if (known) checkEntry(KINDS[value.kind], value);
  return { kind: value.kind, known, members: value, commitments: (known && value.commitments) || {} };
}

function checkEntry(kind, value) {
  const members = [...COMMON.slice(1), ...kind.members];
  const names = ["kind", ...members.map((member) => member.name)];
  if (kind.commits.length > 0 || kind.inputs) names.push("commitments");
  checkNames(names, value, "");
  for (const member of members) checkMember(member, value[member.name], member.name);
  if (names.includes("commitments")) checkCommitments(kind, value.commitments);
  if (kind.oneOf.length > 0 && kind.oneOf.filter((name) => value[name] !== null).length !== 1) {
    throw new Failure(kind.oneOf.join(" and "), "exactly one of them must not be null");
  }
  if (new Set(kind.together.map((name) => value[name] === null)).size > 1) {
    throw new Failure(kind.together.join(" and "), "must be null together, or not at all");
  }
}

function checkNames(expected, value, prefix) {
  for (const name of [...expected].sort()) {
    if (!Object.hasOwn(value, name)) throw new Failure(prefix + name, "is missing; give null where it has nothing to say");
  }
  const unknown = Object.keys(value).length - expected.length;
  if (unknown > 0) throw new Failure(prefix.slice(0, -1) || "entry", `has ${unknown} unknown member(s)`);
}

function checkMember(member, value, where) {
  if (value === null && member.nullable) return;
  if (!member.many) {
    checkValue(member, value, where);
    return;
  }
  if (!Array.isArray(value)) throw new Failure(where, `must be a list; of each: ${MEANING[member.type]}`);
  value.forEach((one, position) => checkValue(member, one, `${where}[${position}]`));
  const keys = value.map((one) => (member.type === "object" ? one[member.members[0].name] : one));
  if (keys.some((key, position) => position > 0 && keys[position - 1] >= key)) {
    throw new Failure(where, "must be in strictly rising order, nothing twice");
  }
}

function checkValue(member, value, where) {
  if (member.type === "object") {
    if (!isObject(value)) throw new Failure(where, `must be ${MEANING.object}`);
    checkNames(member.members.map((one) => one.name), value, `${where}.`);
    for (const one of member.members) checkMember(one, value[one.name], `${where}.${one.name}`);
  } else if (!isOfType(member, value)) {
    const codes = member.type === "code" ? `one of ${member.codes.join(", ")}` : MEANING[member.type];
    throw new Failure(where, `must be ${codes}`);
  }
}

function isOfType(member, value) {
  if (member.type === "uint") return Number.isSafeInteger(value) && value >= 0;
  if (typeof value !== "string") return false;
  if (member.type === "code") return member.codes.includes(value);
  const match = SHAPES[member.type].exec(value);
  if (match === null || (member.type !== "time" && member.type !== "day")) return match !== null;
  return isInCalendar(...match.slice(1).map(Number));
}

function isInCalendar(year, month, day, hour = 0, minute = 0) {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
  return year >= 1 && day >= 1 && day <= days && hour <= 23 && minute <= 59;
}

function checkCommitments(kind, value) {
  if (!isObject(value)) throw new Failure("commitments", "must be an object of commitments");
  for (const name of [...kind.commits].sort()) {
    if (!Object.hasOwn(value, name)) throw new Failure(`commitments.${name}`, "is missing");
  }
  for (const [name, commitment] of Object.entries(value)) {
    const input = name.startsWith(INPUT_PREFIX) && FIELD_SHAPE.test(name.slice(INPUT_PREFIX.length));
    if (!kind.commits.includes(name) && !(kind.inputs && input)) throw new Failure("commitments", "has an unknown member");
    if (typeof commitment !== "string" || !SHAPES.hash.test(commitment)) {
      throw new Failure(`commitments.${name}`, `must be ${MEANING.hash}`);
    }
  }
}

/** @param {Json} value */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
