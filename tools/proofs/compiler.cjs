// Compiles mutants one after the other in one process: starting the compiler takes
// longer than using it.
//
//   node compiler.cjs ROOT SETTINGS < requests > answers
//
// SETTINGS is a standard-JSON `settings` whose `outputSelection` names what to answer.
// A request is a line {"file", "start", "end", "new"}, offsets in bytes; an empty
// object compiles the sources as they are. An answer is a line: {"Contract": bytecode},
// or null where the mutant does not compile.
"use strict";

const fs = require("fs");
const path = require("path");
const readline = require("readline");

const [root, settingsText] = process.argv.slice(2);
const settings = JSON.parse(settingsText);
const solc = require(require.resolve("solc", { paths: [root] }));
const sources = read("contracts/src");

function read(folder) {
  const found = {};
  const entries = fs.readdirSync(path.join(root, folder), { withFileTypes: true });
  for (const entry of entries) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory()) Object.assign(found, read(name));
    else if (name.endsWith(".sol")) found[name] = fs.readFileSync(path.join(root, name));
  }
  return found;
}

function mutated(request) {
  const contents = {};
  for (const [name, source] of Object.entries(sources)) {
    contents[name] = { content: source.toString("utf8") };
  }
  if (request.file !== undefined) {
    const source = sources[request.file];
    const before = source.subarray(0, request.start).toString("utf8");
    const after = source.subarray(request.end).toString("utf8");
    contents[request.file] = { content: before + request.new + after };
  }
  return contents;
}

function imported(name) {
  return { contents: fs.readFileSync(path.join(root, name), "utf8") };
}

function answer(request) {
  const input = { language: "Solidity", sources: mutated(request), settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }));
  const isBroken = (output.errors ?? []).some((one) => one.severity === "error");
  if (isBroken) return null;
  const compiled = {};
  for (const units of Object.values(output.contracts ?? {})) {
    for (const [name, unit] of Object.entries(units)) {
      compiled[name] = unit.evm.bytecode.object;
    }
  }
  return compiled;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
