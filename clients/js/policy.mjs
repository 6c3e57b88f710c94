/**
 * Whom to trust: the keys of logs with the sizes at which they sign, and a policy (c2sp.org/tlog-policy) with its
 * witnesses and quorum. A key file has one key a line; the comment `# valid from A` or `# valid from A until B` directly
 * above a key gives its sizes, in a policy above its `log` line.
 */
import { Failure, MAX_UINT64, decodeUtf8, encodeUtf8, parseDecimal, sameBytes } from "./canonical.mjs";
import { COSIGNATURE, ED25519, ML_DSA_44, parseVkey, signatures } from "./note.mjs";

/** @typedef {import("./note.mjs").VerifierKey} VerifierKey */
/** @typedef {{key: VerifierKey, from: bigint, until: bigint | null}} LogKey valid for from <= size < until */
/** @typedef {{name: string, key: VerifierKey}} Witness */
/** @typedef {{atLeast: number, members: string[]}} Group */
/** @typedef {{logs: LogKey[], witnesses: Witness[], groups: Map<string, Group>, quorum: string | null}} Policy `quorum` null: none */

/** The log signed, but too few witnesses did: the checkpoint is not yet published. */
export class NotPublished extends Failure {}

const CLOCK_SKEW = 300n; // seconds by which a witness's clock may be ahead
const MAX_POLICY = 1_000_000; // bytes
const MAX_LINES = 1_000; // that say something
const VALID = /^# valid from ([0-9]{1,20})(?: until ([0-9]{1,20}))?$/;

/** The keys of a key file; at least one. @param {string} text @returns {LogKey[]} */
export function parseKeyRing(text, name = "log.vkey") {
  const lines = text.split("\n");
  if (lines.pop() !== "") throw new Failure(name, "must end with a newline");
  const ring = [];
  for (const { line, sizes, place } of withSizes(lines, name)) ring.push({ key: parseVkey(line, place), ...sizes });
  if (ring.length === 0) throw new Failure(name, "must hold one verifier key a line, each ended by a newline");
  if (new Set(ring.map(({ key }) => key.text)).size !== ring.length) throw new Failure(name, "names one key twice");
  return ring;
}

/** The lines that say something, each with the sizes that the comment above it gives. */
function* withSizes(lines, name) {
  let pending = null;
  for (const [position, line] of lines.entries()) {
    const place = `${name} line ${position + 1}`;
    if (line.startsWith("# valid ")) {
      if (pending !== null) throw new Failure(pending.place, "must stand directly above a key");
      pending = { place, sizes: parseSizes(line, place) };
    } else if (line !== "" && !line.startsWith("#")) {
      yield { line, place, sizes: pending?.sizes ?? { from: 0n, until: null } };
      pending = null;
    }
  }
  if (pending !== null) throw new Failure(pending.place, "must stand directly above a key");
}

function parseSizes(line, place) {
  // A comment misspelt would make a retired key valid, so it is an error.
  const match = VALID.exec(line);
  if (match === null) throw new Failure(place, 'must read "# valid from A" or "# valid from A until B"');
  const from = parseDecimal(match[1], place);
  const until = match[2] === undefined ? null : parseDecimal(match[2], place);
  if (from >= (until ?? MAX_UINT64)) throw new Failure(place, "must end after it begins");
  return { from, until };
}

/** The keys that must sign a checkpoint of this log at this size. @param {LogKey[]} ring @returns {VerifierKey[]} */
export function keysAt(ring, origin, size) {
  const own = ring.filter(({ key }) => key.name === origin);
  if (own.length === 0) throw new Failure("origin", "has no key in the key file: get the file that names this log");
  const valid = own.filter(({ from, until }) => from <= size && (until === null || size < until));
  if (valid.length === 0) throw new Failure("origin", `has no key that is valid at size ${size}: get the newest key file`);
  return valid.map(({ key }) => key);
}

/**
 * A policy file is octets: only ASCII means something, so the text is held as one character per octet.
 * @param {Uint8Array | string} data @returns {Policy}
 */
export function parsePolicy(data, name = "policy") {
  const octets = typeof data === "string" ? encodeUtf8(data) : data;
  if (octets.length > MAX_POLICY) throw new Failure(name, `must be at most ${MAX_POLICY} bytes`);
  const text = Array.from(octets, (octet) => String.fromCharCode(octet)).join("");
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) throw new Failure(name, "has a control character");
  const policy = new PolicyReader();
  const lines = text.split("\n").map((line) => line.replace(/^[ \t]+|[ \t]+$/g, ""));
  let count = 0;
  for (const { line, sizes, place } of withSizes(lines, name)) {
    count += 1;
    if (count > MAX_LINES) throw new Failure(place, `is beyond the ${MAX_LINES} lines that this program reads`);
    policy.read(line.split(/[ \t]+/), sizes, place);
  }
  if (policy.quorum === undefined) throw new Failure(name, "must have exactly one quorum line");
  const { logs, witnesses, groups, quorum } = policy;
  return { logs, witnesses, groups, quorum };
}

const octetsOf = (text) => Uint8Array.from(text, (octet) => octet.charCodeAt(0));

class PolicyReader {
  constructor() {
    Object.assign(this, { logs: [], witnesses: [], groups: new Map(), quorum: undefined, named: new Set(), taken: new Set() });
  }

  read([keyword, ...items], sizes, place) {
    const counts = { log: [1, 2], witness: [2, 3], group: [3, Infinity], quorum: [1, 1] };
    if (!Object.hasOwn(counts, keyword)) throw new Failure(place, "must begin with log, witness, group or quorum");
    const [least, most] = counts[keyword];
    if (items.length < least || items.length > most) throw new Failure(place, `has a wrong number of items for ${keyword}`);
    if (keyword !== "log" && (sizes.from !== 0n || sizes.until !== null)) {
      throw new Failure(place, "sizes belong above a log");
    }
    if (keyword === "quorum") this.decide(items, place);
    else this[keyword](items, sizes, place);
  }

  log([vkey], sizes, place) {
    const key = this.key(vkey, [ED25519, ML_DSA_44], place);
    this.logs.push({ key, ...sizes });
  }

  witness([name, vkey], _sizes, place) {
    const key = this.key(vkey, [COSIGNATURE, ML_DSA_44], place);
    this.define(name, place);
    this.witnesses.push({ name, key });
  }

  group([name, threshold, ...members], _sizes, place) {
    for (const member of members) {
      if (!this.named.has(member)) throw new Failure(place, "has a member that no line above defines");
      if (this.taken.has(member)) throw new Failure(place, "has a member that is in a group already");
      this.taken.add(member);
    }
    const counted = { any: "1", all: String(members.length) };
    const written = Object.hasOwn(counted, threshold) ? counted[threshold] : threshold;
    const atLeast = /^[1-9][0-9]{0,9}$/.test(written) ? Number(written) : 0;
    if (atLeast < 1 || atLeast > members.length) throw new Failure(place, `needs all, any, or 1 to ${members.length}`);
    this.define(name, place);
    this.groups.set(name, { atLeast, members });
  }

  decide([name], place) {
    if (this.quorum !== undefined) throw new Failure(place, "is a second quorum line");
    if (name !== "none" && !this.named.has(name)) throw new Failure(place, "names what no line above defines");
    this.quorum = name === "none" ? null : name;
  }

  define(name, place) {
    if (name === "none") throw new Failure(place, "must not be called none");
    if (this.named.has(name)) throw new Failure(place, "has a name that a line above defines");
    this.named.add(name);
  }

  key(vkey, types, place) {
    const key = parseVkey(decodeUtf8(octetsOf(vkey), place), place);
    if (!types.includes(key.type)) throw new Failure(place, "has a key of a type that is not for this use");
    // A log that is its own witness vouches for itself, so its keys are not among those that count.
    if ([...this.logs, ...this.witnesses].some((one) => sameBytes(one.key.public, key.public))) throw new Failure(place, "has a key of a line above");
    return key;
  }
}

/** A name of the policy as people read it. @param {string} name one character per octet */
export const decodeName = (name) => new TextDecoder().decode(octetsOf(name));

/** Whether the quorum is reached by these witnesses. @param {Policy} policy @param {Set<string>} names */
export function metBy(policy, names) {
  const holds = (name) => {
    const group = policy.groups.get(name);
    return group === undefined ? names.has(name) : group.members.filter(holds).length >= group.atLeast;
  };
  return policy.quorum === null || holds(policy.quorum);
}

/**
 * The witnesses of the policy that cosigned a note, with their times (POSIX seconds).
 * @param {Policy} policy @param {import("./note.mjs").Note} note @returns {Map<string, bigint>}
 */
export function cosignedBy(policy, note) {
  const names = new Map(policy.witnesses.map(({ name, key }) => [key, name]));
  const times = new Map();
  for (const [key, time] of signatures(note, [...names.keys()])) {
    // Time 0 signs a part of a tree: the signer does not say that it knows no larger tree of this log.
    if (time !== 0n && !times.has(names.get(key))) times.set(names.get(key), time);
  }
  return times;
}

/**
 * Throws NotPublished when too few witnesses cosigned, Failure when the cosignatures that reach the quorum are too old.
 * @param {Policy} policy @param {import("./note.mjs").Note} note
 * @param {number | undefined} maxAge seconds @param {number} now POSIX seconds
 */
export function checkPolicy(policy, note, maxAge, now) {
  const times = cosignedBy(policy, note);
  if (!metBy(policy, new Set(times.keys()))) {
    throw new NotPublished("policy", "not yet published: too few of the policy's witnesses have confirmed the checkpoint");
  }
  if (maxAge !== undefined) checkAge(policy, times, BigInt(maxAge), BigInt(now));
  return times;
}

/** Where the policy demands no cosignature, the newest of any known witness tells the age. */
function checkAge(policy, times, maxAge, now) {
  // A time in the future says nothing about age: else a witness's wrong clock would keep a checkpoint fresh.
  const fresh = [...times].filter(([, time]) => time <= now + CLOCK_SKEW && now - time <= maxAge).map(([name]) => name);
  if (fresh.length === 0 || !metBy(policy, new Set(fresh))) {
    throw new Failure("policy", `no quorum of its witnesses says that the checkpoint is at most ${maxAge} seconds old`);
  }
}
