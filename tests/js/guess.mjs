/** On stdin {salts, guesses, commitments}: prints the guesses that some salt opens to some commitment, as JSON. */
import { commit } from "../../clients/js/receipt.mjs";

let text = "";
for await (const part of process.stdin) text += part;
const { salts, guesses, commitments } = JSON.parse(text);
const wanted = new Set(commitments);
const found = guesses.filter((guess) => salts.some((salt) => wanted.has(commit(salt, guess))));
process.stdout.write(JSON.stringify(found));
