// Run by a test in a process of an ordinary user: restores twice, to the directory given, what that user may not make in
// full. Prints the problems.

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../base/bytes.ts";
import { ENTRY_CHARACTER_DEVICE } from "../formats/entry.ts";
import type { EntryAttribute } from "../formats/entry.ts";
import { ImageMaker, bodyOf, problemsOf, restore } from "./restore-harness.contract.ts";

const maker = new ImageMaker();
const mine = { userId: process.getuid?.() ?? 0, groupId: process.getgid?.() ?? 0 };
const attributesNamed = (...names: readonly string[]): { attributes: EntryAttribute[] } => {
  return { attributes: names.map((name) => ({ name: utf8(name), value: utf8("1") })) };
};
const root = maker.image(
  ["", maker.directory()],
  ["attributes", maker.file("x", { ...mine, mode: 0o444, ...attributesNamed("trusted.t", "trusted.u", "user.v") })],
  ["attributes too", maker.file("x", { ...mine, ...attributesNamed("trusted.t") })],
  ["closed", maker.directory({ ...mine, mode: 0o000 })],
  ["closed/inner", maker.directory({ ...mine, mode: 0o500 })],
  ["closed/inner/file", maker.file("closed", { ...mine, mode: 0o400 })],
  [
    "closed/inner/unreadable",
    maker.file("closed", { ...mine, mode: 0o000, attributes: [{ name: utf8("user.x"), value: utf8("1") }] }),
  ],
  ["device", bodyOf({ kind: ENTRY_CHARACTER_DEVICE, node: { major: 1, minor: 3 } })],
  ["existing", maker.directory({ ...mine, mode: 0o555 })],
  ["existing/file", maker.file("into a closed directory", mine)],
  ["of root", maker.file("of root", { userId: 0, groupId: 0, mode: 0o6755 })],
  ["of root too", maker.directory({ userId: 0, groupId: 0, mode: 0o755 })],
);
const target = process.argv[2] ?? "";
mkdirSync(join(target, "existing"));
chmodSync(join(target, "existing"), 0o500);
const problems = [];
for (let run = 0; run < 2; run++) problems.push(problemsOf(await restore(maker.repository, root, target)));
process.stdout.write(`\nproblems ${JSON.stringify(problems)}\n`);
