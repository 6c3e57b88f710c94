/** `node build.mjs [FILE]`: page.mjs and what it needs in one file for browsers, web/static/verify.js (not in git). */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

await build({
  entryPoints: [fileURLToPath(new URL("page.mjs", import.meta.url))],
  outfile: process.argv[2] ?? fileURLToPath(new URL("../../web/static/verify.js", import.meta.url)),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii", // the same bytes in a page of any encoding
  legalComments: "inline", // the libraries' licence asks for its notice in every copy
  logLevel: "warning",
});
