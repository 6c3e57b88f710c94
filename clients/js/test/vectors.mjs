/** Where the vector files lie: ours in docs/conformance/vectors, published ones beside the repository (shared/vectors). */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = new URL("../../../", import.meta.url);
export const OURS = new URL("docs/conformance/vectors/", ROOT);
export const SHARED = new URL("../shared/vectors/", ROOT);

/** For `test(name, published, …)`: skips, and says so, where the published vectors are not there. */
export const published = { skip: existsSync(SHARED) ? false : "the published vectors (../shared/vectors) are not here" };

// Names of files may hold signs that mean something in a URL, such as #.
const pathIn = (name, base) => join(fileURLToPath(base), name);
export const bytesOf = (name, base = SHARED) => new Uint8Array(readFileSync(pathIn(name, base)));
export const jsonOf = (name, base = SHARED) => JSON.parse(readFileSync(pathIn(name, base), "utf8"));
export const casesOf = (name) => jsonOf(`tlog-json/${name}`).cases;

/** Every file under a folder. @returns {string[]} names relative to SHARED */
export function filesIn(folder) {
  return readdirSync(pathIn(folder, SHARED), { withFileTypes: true }).flatMap((one) =>
    one.isDirectory() ? filesIn(`${folder}${one.name}/`) : [`${folder}${one.name}`],
  );
}

export const utf8 = (text) => new TextEncoder().encode(text);
export const fromBase64 = (text) => new Uint8Array(Buffer.from(text, "base64"));
export const fromHex = (text) => new Uint8Array(Buffer.from(text, "hex"));
export const toBase64 = (bytes) => Buffer.from(bytes).toString("base64");
export const toHex = (bytes) => Buffer.from(bytes).toString("hex");

/** What `read` gives, or null where it fails as it should fail. @param {() => any} read */
export function attempt(read) {
  try {
    return read();
  } catch (error) {
    if (error.place === undefined) throw error; // a fault of the program, no Failure
    return null;
  }
}
