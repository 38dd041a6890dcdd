// Makes the golden repository of this version: a small one with three images of everything that entries can be. It is made once
// and then read by every later version.
//
//   npm run make-golden                 writes test/fixtures/golden/<version>; as root, so that there are devices in it
//   npm run make-golden -- --replace    in place of the one that is there: only as long as that version is not released

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { open } from "../../src/api/api.ts";
import { wordyBytes } from "../../src/engine/testing.ts";
import { services } from "../../src/main/services.ts";
import { describeTree } from "../support/describe-tree.ts";
import type { GoldenManifest } from "../support/golden-manifest.ts";
import { PASSPHRASE, Workplace, hasTool, makeRepository } from "../support/holdfast-process.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as {
  version: string;
};
const golden = join(import.meta.dirname, "..", "fixtures", "golden", version);

function makeTree(source: string): void {
  const at = (...parts: string[]): string => join(source, ...parts);
  for (const name of ["kinds", "links", "names", "many", "deep/a/b/c/d/e", "kinds/empty-directory"])
    mkdirSync(at(name), { recursive: true });
  writeFileSync(at("kinds", "empty"), "");
  writeFileSync(at("kinds", "file"), "a file\n");
  // More segments than an entry lists by itself.
  writeFileSync(at("kinds", "large"), wordyBytes(1, 400_000));
  writeFileSync(
    at("kinds", "fixed.img"),
    Buffer.concat([wordyBytes(2, 4_000), Buffer.alloc(1_300_000, "fixed "), wordyBytes(3, 4_000)]),
  );
  spawnSync("mkfifo", ["-m", "640", at("kinds", "fifo")]);
  spawnSync("mknod", [at("kinds", "character-device"), "c", "1", "3"]);
  spawnSync("mknod", [at("kinds", "block-device"), "b", "7", "200"]);
  // Islands in holes: a segment list of several pages.
  const sparse = openSync(at("kinds", "sparse"), "w");
  for (let island = 0; island < 420; island++)
    writeSync(sparse, `island ${island} `.repeat(340).slice(0, 4_096), island * 16_384);
  closeSync(sparse);
  writeFileSync(at("links", "one"), "linked");
  linkSync(at("links", "one"), at("links", "two"));
  linkSync(at("links", "one"), at("deep", "a", "three"));
  symlinkSync("nowhere", at("links", "dangling"));
  symlinkSync("../kinds/file", at("links", "relative"));
  for (const name of [Buffer.from([0xff, 0xfe, 0x61]), Buffer.from("new\nline"), Buffer.from("ä"), Buffer.alloc(255, "n")])
    writeFileSync(Buffer.concat([Buffer.from(`${at("names")}/`), name]), name);
  // Enough entries for several pages of them.
  for (let i = 0; i < 160; i++) writeFileSync(at("many", `file-${String(i).padStart(3, "0")}`), `${i}\n`);
  writeFileSync(at("deep", "a", "b", "c", "d", "e", "file"), "deep");
  if (hasTool("setfattr")) spawnSync("setfattr", ["-n", "user.comment", "-v", "some text", at("kinds", "file")]);
  chmodSync(at("kinds", "empty"), 0o4711);
  chmodSync(at("kinds", "empty-directory"), 0o1777);
  utimesSync(at("kinds", "file"), -1_000_000.75, -1_000_000.75);
  utimesSync(at("kinds", "large"), 4_102_444_800.125, 4_102_444_800.125);
  lutimesSync(at("links", "dangling"), 946_684_799.25, 946_684_799.25);
}

function editTree(source: string, round: number): void {
  const at = (...parts: string[]): string => join(source, ...parts);
  const large = readFileSync(at("kinds", "large"));
  writeFileSync(
    at("kinds", "large"),
    Buffer.concat([large.subarray(0, 200_000), Buffer.from(`round ${round}`), large.subarray(200_000)]),
  );
  for (let i = 0; i < 5; i++) writeFileSync(at("many", `file-${String(i * 30).padStart(3, "0")}`), `changed in round ${round}\n`);
  writeFileSync(at("many", `new-${round}`), "new");
  rmSync(at("many", `file-${150 + round}`));
  chmodSync(at("kinds", "file"), 0o600 + round);
}

if (existsSync(golden) && !process.argv.includes("--replace"))
  throw new Error(`${golden} is there: what a released version has written does not change`);
using place = new Workplace();
const [source, repository] = [place.at("source"), place.at("repository")];
mkdirSync(source);
makeTree(source);
await makeRepository(repository);
const images: GoldenManifest["images"][number][] = [];
{
  const options = { repository, passphrase: () => PASSPHRASE, cacheDirectory: place.at("cache"), threads: 1 };
  await using opened = await open(services(), options);
  for (const round of [0, 1, 2]) {
    if (round > 0) editTree(source, round);
    // Described first: reading changes the time of access only.
    const entries = describeTree(source);
    const { imageId = "", problems } = await opened.backup({
      paths: [source],
      tags: [`round-${round}`],
      source: "golden",
      host: "golden",
    });
    if (problems.length > 0) throw new Error(`The backup had problems: ${JSON.stringify(problems)}`);
    const tags = round === 1 ? await opened.tag(imageId, { add: ["kept"] }) : [`round-${round}`];
    images.push({ id: imageId, tags, entries });
  }
  await opened.addKeySlot("battery staple", "second");
  const { damages } = await opened.verify({ readData: 1 });
  if (damages.length > 0) throw new Error(`The repository is damaged: ${JSON.stringify(damages)}`);
}
// Derived, and different on each machine.
rmSync(join(repository, "catalog"), { recursive: true });
mkdirSync(join(repository, "catalog"));
const names = readdirSync(repository, { recursive: true, encoding: "utf8" }).toSorted();
const directories = names.filter((name) => statSync(join(repository, name)).isDirectory());
rmSync(golden, { recursive: true, force: true });
mkdirSync(golden, { recursive: true });
await cp(repository, join(golden, "repository"), { recursive: true });
const manifest: GoldenManifest = { version, passphrase: PASSPHRASE, source, directories, images };
writeFileSync(join(golden, "manifest.json"), `${JSON.stringify(manifest, undefined, 1)}\n`);
process.stdout.write(`${golden}: ${images.length} images, ${names.length - directories.length} files\n`);
