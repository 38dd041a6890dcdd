// Runs of the central index: as files, and with their pages changed inside and sealed again.

import { crc32 } from "node:zlib";
import { concatBytes } from "../../../../src/base/bytes.ts";
import { HoldfastError } from "../../../../src/base/errors.ts";
import {
  RUN_PAGE_TAG_BYTES,
  SECTIONS,
  decodeRunTrailer,
  layoutOfRun,
  pagePosition,
  recordsInPage,
} from "../../../../src/formats/index-run.ts";
import type { RunLayout } from "../../../../src/formats/index-run.ts";
import { CentralIndex, mergeRuns, writeIndexRun } from "../../../../src/repository/central-index.ts";
import type { RunName } from "../../../../src/repository/central-index.ts";
import { RunReader } from "../../../../src/repository/central-index/run-reader.ts";
import { RunSeal } from "../../../../src/repository/central-index/run-seal.ts";
import { fingerprintOf, madeContainer } from "../../../../src/repository/central-index/testing.ts";
import { MemoryFiles } from "../memory-files.ts";
import type { Field } from "../mutator.ts";
import { KEY_RING, REPOSITORY_ID, random } from "../samples.ts";
import { MIB } from "../target.ts";
import type { FuzzTarget } from "../target.ts";
import { repairChecksum } from "./frames.ts";

const DIRECTORY = "/index";
const CHANGED = "f0".repeat(32) as RunName;
const files = new MemoryFiles();
const location = { files, directory: DIRECTORY, indexKey: KEY_RING.index, repositoryId: REPOSITORY_ID, random };

const containers = Array.from({ length: 6 }, (_, position) => madeContainer(random, { segments: 30 + position * 41 }));
const wanted = containers.flatMap((contents) => [0, 7, 29].map((segment) => fingerprintOf(contents, segment)));

async function bytesOfRun(from: number, to: number, supersedes: readonly RunName[] = []): Promise<Uint8Array> {
  files.clear();
  const name = await writeIndexRun({ ...location, containers: containers.slice(from, to), supersedes });
  return files.read(`${DIRECTORY}/${name}`, Infinity) as Uint8Array;
}

const WHOLE = await bytesOfRun(0, 3);
const LARGE = await bytesOfRun(0, 6, ["e1".repeat(32) as RunName]);
const EMPTY = await bytesOfRun(0, 0);
const OTHER = await bytesOfRun(2, 5);
const OTHER_NAME = "0e".repeat(32) as RunName;

/** Looks up what is there and what is not, and merges the run with a sound one that knows some of the same containers. */
async function readRun(bytes: Uint8Array): Promise<void> {
  files.clear();
  files.set(`${DIRECTORY}/${CHANGED}`, bytes);
  {
    using index = CentralIndex.open({ ...location, cacheBytes: MIB });
    for (const fingerprint of wanted) index.findAll(fingerprint);
  }
  if (crc32(bytes) % 4 !== 0) return;
  files.set(`${DIRECTORY}/${OTHER_NAME}`, OTHER);
  await mergeRuns({ ...location, runs: [CHANGED, OTHER_NAME] });
  // The merged run is ours: whatever is wrong in it was written by us.
  using index = CentralIndex.open({ ...location, cacheBytes: MIB });
  for (const fingerprint of wanted) index.findAll(fingerprint);
}

/** The run with its pages open, at the places where they lie sealed. */
function opened(bytes: Uint8Array): Uint8Array {
  files.clear();
  files.set(`${DIRECTORY}/${CHANGED}`, bytes);
  const reader = RunReader.open(location, CHANGED);
  if (reader === undefined) throw new Error("the run was just put there");
  const plain = Uint8Array.from(bytes);
  for (const name of SECTIONS)
    reader.forEachPage(name, (page, number) => plain.set(page, pagePosition(reader.section(name), number)));
  return plain;
}

function layoutOf(bytes: Uint8Array): RunLayout | undefined {
  const trailer = Uint8Array.from(bytes.subarray(Math.max(0, bytes.length - 64)));
  repairChecksum(trailer, 52);
  try {
    return layoutOfRun(decodeRunTrailer(trailer, bytes.length, "it"));
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}

/** What `opened` gave, sealed as its counts say; where they make no sense, only the checksums are made right. */
function sealed(plain: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(plain);
  repairChecksum(bytes.subarray(0, 64), 60);
  const layout = layoutOf(bytes);
  if (layout === undefined) {
    repairChecksum(bytes.subarray(Math.max(0, bytes.length - 64)), 52);
    return bytes;
  }
  const header = bytes.slice(0, 64);
  const seal = RunSeal.derive(KEY_RING.index, REPOSITORY_ID, header.subarray(28, 60), header);
  for (const name of SECTIONS) {
    const section = layout.sections[name];
    for (let page = 0; page < section.pages; page++) {
      const at = pagePosition(section, page);
      const length = recordsInPage(section, page) * section.recordBytes;
      const parts = seal.sealPage(section.number, page, bytes.slice(at, at + length));
      bytes.set(concatBytes(...parts).subarray(0, length + RUN_PAGE_TAG_BYTES), at);
    }
  }
  const trailer = bytes.subarray(layout.trailerOffset);
  trailer.set(seal.sealTrailer(trailer.slice(0, 36)), 36);
  repairChecksum(trailer, 52);
  return bytes;
}

const trailerFields = (bytes: Uint8Array): Field[] =>
  [0, 4, 8, 12, 16].map((at) => ({ at: Math.max(0, bytes.length - 64) + at, bytes: 4 }));

/** Every number in the records of blocks and segments, as far as they are few. */
function recordFields(bytes: Uint8Array): Field[] {
  const layout = layoutOf(bytes);
  if (layout === undefined) return trailerFields(bytes);
  const { blocks, segments } = layout.sections;
  const fields: Field[] = [];
  for (let record = 0; record < Math.min(12, blocks.records); record++)
    for (const at of [0, 4, 8, 12]) fields.push({ at: blocks.start + record * 32 + at, bytes: 4 });
  for (let record = 0; record < Math.min(12, segments.records); record++)
    for (const at of [32, 36, 40]) fields.push({ at: segments.start + record * 44 + at, bytes: 4 });
  // The block of a segment that is looked up.
  const known = wanted[0]!;
  for (let record = 0; record < Math.min(372, segments.records); record++) {
    const at = segments.start + record * 44;
    if (Buffer.compare(bytes.subarray(at, at + 32), known) === 0)
      fields.push({ at: at + 32, bytes: 4 }, { at: at + 36, bytes: 4 });
  }
  return fields;
}

/** Of two runs that contradict each other either may be named, and what is merged has a name of its own. */
const NAMES = /index run [0-9a-f]{16}/;

export const INDEX_RUNS: readonly FuzzTarget[] = [
  {
    name: "index-run",
    seeds: [WHOLE, LARGE, EMPTY],
    fieldsOf: trailerFields,
    repair: (bytes) => {
      repairChecksum(bytes.subarray(0, 64), 60);
      repairChecksum(bytes.subarray(Math.max(0, bytes.length - 64)), 52);
    },
    read: readRun,
    names: NAMES,
    memory: { base: 24 * MIB, perByte: 64 },
  },
  {
    name: "index-run-pages",
    seeds: [opened(WHOLE), opened(LARGE), opened(EMPTY)],
    fieldsOf: recordFields,
    read: (bytes) => readRun(sealed(bytes)),
    names: NAMES,
    memory: { base: 24 * MIB, perByte: 64 },
  },
];
