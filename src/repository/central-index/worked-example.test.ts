import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bytesOfHex, hexOf } from "../../base/bytes.ts";
import { pagePosition, SECTIONS } from "../../formats/index-run.ts";
import type { SectionName } from "../../formats/index-run.ts";
import type { ContainerName, VolumeId } from "../../media/volume.ts";
import type { ContainerContents } from "./container-contents.ts";
import { CentralIndex } from "./lookup.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";
import { temporaryIndex, textOfLocation } from "./testing.ts";
import { writeIndexRun } from "./write-index-run.ts";

const page = readFileSync(new URL("../../../docs/formats/index-run.md", import.meta.url), "utf8");

/** The bytes of the page's example, and the table of what they mean. */
function exampleOfPage(): { readonly bytes: Uint8Array; readonly table: string[] } {
  const hex = /```hex\n([^`]*)```/.exec(page)?.[1] ?? "";
  const table = page
    .slice(page.indexOf("Opened, its pages are:"))
    .split("\n")
    .filter((line) => /^\| \w+ \| \d/.test(line));
  return { bytes: bytesOfHex(hex.replaceAll(/\s/g, "")), table };
}

function counting(first: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => first + i);
}

const FIELDS: Readonly<Record<SectionName, readonly number[]>> = {
  containers: [16, 32],
  blocks: [4, 4, 4, 4, 16],
  segments: [32, 4, 4, 4],
  fences: [8],
  filter: [4, 4, 4, 4, 4, 4, 4, 4],
  superseded: [32],
};

const keys = { indexKey: counting(0, 32), repositoryId: counting(0x20, 16) };
const repeated = (byte: number, count: number): number[] => Array.from({ length: count }, () => byte);
const volumeId = "a1".repeat(16) as VolumeId;

const containers: readonly ContainerContents[] = [
  {
    volumeId,
    name: "c1".repeat(32) as ContainerName,
    blocks: {
      offsets: Uint32Array.of(64, 1064),
      storedLengths: Uint32Array.of(1000, 2000),
      plainLengths: Uint32Array.of(3000, 4000),
      identities: Uint8Array.from([...repeated(0xd1, 16), ...repeated(0xd2, 16)]),
      segmentCounts: Uint32Array.of(2, 1),
    },
    segments: {
      fingerprints: Uint8Array.from([...repeated(0xe3, 32), ...repeated(0xe2, 32), ...repeated(0xe1, 32)]),
      lengths: Uint32Array.of(1800, 1200, 4000),
    },
  },
  {
    volumeId,
    name: "c2".repeat(32) as ContainerName,
    blocks: {
      offsets: Uint32Array.of(64),
      storedLengths: Uint32Array.of(900),
      plainLengths: Uint32Array.of(1200),
      identities: Uint8Array.from(repeated(0xd3, 16)),
      segmentCounts: Uint32Array.of(1),
    },
    segments: { fingerprints: Uint8Array.from(repeated(0xe2, 32)), lengths: Uint32Array.of(1200) },
  },
];

test("the example in the format's page is exactly what is written", async (context) => {
  const location = exampleLocation(context);
  const name = await writeIndexRun({ ...location, containers, supersedes: ["f1".repeat(32) as RunName] });
  const written = readFileSync(join(location.directory, name));
  const { bytes } = exampleOfPage();
  assert.equal(createHash("sha256").update(bytes).digest("hex"), name, `the page should say:\n${hexLines(written)}`);
  assert.match(page, new RegExp(`A run of ${written.length} bytes`));
});

test("the example in the format's page reads as the page says", async (context) => {
  const location = exampleLocation(context);
  const { bytes, table } = exampleOfPage();
  const name = createHash("sha256").update(bytes).digest("hex") as RunName;
  writeFileSync(join(location.directory, name), bytes);

  const reader = RunReader.open(location, name)!;
  const rows = SECTIONS.map((section) => {
    const { start, storedBytes, recordBytes } = reader.section(section);
    assert.equal(pagePosition(reader.section(section), 0), start);
    const records: string[] = [];
    reader.forEachPage(section, (plain) => {
      for (let at = 0; at < plain.length; at += recordBytes)
        records.push(textOfRecord(plain.subarray(at, at + recordBytes), FIELDS[section]));
    });
    return `| ${section} | ${start}–${start + storedBytes - 1} | ${records.map((record) => `\`${record}\``).join(", ")} |`;
  });
  assert.deepEqual(table, rows);
  assert.deepEqual(reader.superseded(), ["f1".repeat(32)]);
  reader.close();

  using index = CentralIndex.open(location);
  const found = index.findAll(Uint8Array.from(repeated(0xe2, 32))).map(textOfLocation);
  assert.deepEqual(found, [
    `${volumeId} ${"c1".repeat(32)} 64 1000 3000 ${"d1".repeat(16)} 1800 1200`,
    `${volumeId} ${"c2".repeat(32)} 64 900 1200 ${"d3".repeat(16)} 0 1200`,
  ]);
  assert.equal(
    textOfLocation(index.find(Uint8Array.from(repeated(0xe1, 32)))!)
      .split(" ")
      .at(-1),
    "4000",
  );
  assert.equal(index.has(Uint8Array.from(repeated(0xe4, 32))), false);
});

function exampleLocation(context: Parameters<typeof temporaryIndex>[0]): WritableIndexLocation {
  return { ...temporaryIndex(context), ...keys, random: { bytes: (count) => counting(0x40, count) } };
}

function hexLines(bytes: Uint8Array): string {
  return hexOf(bytes)
    .replaceAll(/(.{2})(?!$)/g, "$1 ")
    .replaceAll(/(.{95}) /g, "$1\n");
}

/** Field by field; a long field of equal bytes as `e2×32`. */
function textOfRecord(record: Uint8Array, fields: readonly number[]): string {
  let at = 0;
  const texts = fields.map((length) => {
    const field = record.subarray(at, (at += length));
    const isRepeated = length >= 8 && field.every((byte) => byte === field[0]);
    return isRepeated ? `${hexOf(field.subarray(0, 1))}×${length}` : hexOf(field);
  });
  assert.equal(at, record.length);
  return texts.join(" ");
}
