import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  TEST_REPOSITORY_ID,
  VOLUME_PATH,
  appendTestBlock,
  makeTestVolume,
  testBlock,
  testIdentifier,
  testSealer,
  testWriter,
} from "../../test/support/containers.ts";
import type { TestBlock } from "../../test/support/containers.ts";
import { hexOf, utf8 } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { BlockCompressor, createFingerprinter } from "../engine/engine.ts";
import { BLOCK_METADATA } from "../formats/block.ts";
import { CONTAINER_METADATA } from "../formats/container.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { ContainerName, Volume } from "../media/volume.ts";
import type { ContainerContents, LocationBuffer, SegmentLocation } from "../repository/repository.ts";
import type { ContainerPlace } from "./container-report.ts";
import { ContainerVerifier, VerifyRun } from "./restore.ts";
import type { SegmentLookup, VerifyOutcome, VerifyRunOptions } from "./restore.ts";
import { ImageMaker, bodyOf } from "./restore-harness.contract.ts";

/** What an index over these containers would answer. */
class ContentsIndex implements SegmentLookup {
  readonly #places = new Map<string, SegmentLocation>();
  readonly #containers: ContainerContents[];

  constructor(containers: readonly ContainerContents[]) {
    this.#containers = [...containers];
    for (const { volumeId, name, blocks, segments } of containers) {
      let segment = 0;
      for (let block = 0; block < blocks.offsets.length; block++) {
        let offset = 0;
        for (let rest = blocks.segmentCounts[block] as number; rest > 0; rest--, segment++) {
          const length = segments.lengths[segment] as number;
          this.#places.set(hexOf(segments.fingerprints.subarray(segment * 32, segment * 32 + 32)), {
            volumeId,
            container: name,
            blockOffset: blocks.offsets[block] as number,
            storedLength: blocks.storedLengths[block] as number,
            plainLength: blocks.plainLengths[block] as number,
            identity: blocks.identities.subarray(block * 16, block * 16 + 16) as SegmentLocation["identity"],
            offset,
            length,
          });
          offset += length;
        }
      }
    }
  }

  locate(fingerprint: Uint8Array, into: LocationBuffer): boolean {
    const [found] = this.findAll(fingerprint);
    if (found === undefined) return false;
    const { identity, ...rest } = found;
    into.identity.set(identity);
    Object.assign(into, rest, {
      run: 0,
      container: this.#containers.findIndex(({ name }) => name === found.container),
      block: found.blockOffset,
    });
    return true;
  }

  containerOf({ container }: { readonly run: number; readonly container: number }): {
    volumeId: SegmentLocation["volumeId"];
    container: ContainerName;
  } {
    const { volumeId, name } = this.#containers[container] as ContainerContents;
    return { volumeId, container: name };
  }

  containers(): ContainerPlace[] {
    return this.#containers.map((_, container) => this.containerOf({ run: 0, container }));
  }

  findAll(fingerprint: Uint8Array): readonly SegmentLocation[] {
    const found = this.#places.get(hexOf(fingerprint));
    return found === undefined ? [] : [found];
  }

  refresh(): boolean {
    return false;
  }
}

interface Place {
  readonly disk: SimulatedFiles;
  readonly volume: Volume;
  readonly index: ContentsIndex;
  readonly maker: ImageMaker;
  readonly root: ReturnType<ImageMaker["image"]>;
  readonly containers: readonly ContainerContents[];
  readonly blocks: readonly TestBlock[];
}

const BLOCKS: readonly (readonly number[])[] = [[1_000], [1, 70_000, 300], [40, 50], [200_000], [300, 300, 300]];

/** A collection removes the container after it was listed. */
function removedMeanwhile({ volume, disk }: Place, removed: ContainerName): Volume {
  if (disk.information(pathOf(removed)) !== undefined) disk.remove(pathOf(removed));
  return Object.assign(Object.create(volume) as Volume, {
    id: volume.id,
    name: volume.name,
    listContainers: async () => [...(await volume.listContainers()), removed],
    containerSize: (name: ContainerName) => volume.containerSize(name),
    readContainer: (name: ContainerName, offset: number, length: number) => volume.readContainer(name, offset, length),
  });
}

/** Two data containers, one of metadata, and an image whose files have one segment each. */
async function makePlace(): Promise<Place> {
  const disk = new SimulatedFiles();
  const volume = await makeTestVolume(disk);
  const blocks = BLOCKS.map((lengths, seed) => testBlock(seed * 10 + 1, ...lengths));
  const containers: ContainerContents[] = [];
  for (const some of [blocks.slice(0, 3), blocks.slice(3)]) {
    const writer = testWriter(volume);
    for (const block of some) appendTestBlock(writer, block);
    containers.push(await writer.finish());
  }
  const metadata = testWriter(volume, { kind: CONTAINER_METADATA });
  const page = testBlock(99, 5_000, 100);
  metadata.appendBlock(BLOCK_METADATA, page.segments, new BlockCompressor("default").compress(page.plain));
  containers.push(await metadata.finish());
  const maker = new ImageMaker();
  const files = blocks.flatMap(({ segments }) =>
    [...segments.lengths].map((length, i) => ({
      length,
      fingerprint: segments.fingerprints.slice(i * 32, i * 32 + 32) as Uint8Array as Fingerprint,
    })),
  );
  const root = maker.image(
    ["", maker.directory()],
    ...files.map(
      ({ length, fingerprint }, i) =>
        [`f${10 + i}`, bodyOf({ kind: 2, sizeBytes: length, segments: [{ kind: "data", length, fingerprint }] })] as const,
    ),
  );
  return { disk, volume, index: new ContentsIndex(containers), maker, root, containers, blocks };
}

function verifierOf(volume: Volume): ContainerVerifier {
  const data = createFingerprinter(new Uint8Array(32).fill(3));
  // Pages of the test have the key of data: a page has one of two keys, and either is tried.
  const other = createFingerprinter(new Uint8Array(32).fill(9));
  return new ContainerVerifier({
    volumes: new Map([[volume.id, volume]]),
    repositoryId: TEST_REPOSITORY_ID,
    sealer: testSealer(),
    identifier: testIdentifier(),
    fingerprinters: { data, page: other, list: data },
  });
}

async function verify(
  place: Place,
  options: Partial<VerifyRunOptions> = {},
  ages = new Map<string, number>(),
): Promise<VerifyOutcome & { noted: string[] }> {
  const noted: string[] = [];
  const run = new VerifyRun({
    source: place.maker.repository,
    index: place.index,
    volumes: [place.volume],
    threads: [verifierOf(place.volume), verifierOf(place.volume)],
    ages: {
      lastCheck: (_, container) => {
        const age = ages.get(container);
        return age === undefined ? undefined : { atMs: Math.abs(age), isIntact: age >= 0 };
      },
      noteVerified: (_, container, result) => noted.push(`${container.slice(0, 8)} ${result}`),
    },
  });
  const outcome = await run.run({ images: [{ id: "one", root: place.root }], ...options });
  return { ...outcome, noted: noted.toSorted() };
}

function pathOf(name: string): string {
  return `${VOLUME_PATH}/containers/${name.slice(0, 2)}/${name}`;
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  bytes[at] = (bytes[at] as number) ^ 1;
  return bytes;
}

describe("verifying the structure", () => {
  test("finds an intact repository intact, and looks at shared pages once", async () => {
    const place = await makePlace();
    const images = [
      { id: "one", root: place.root },
      { id: "two", root: place.root },
    ];
    const outcome = await verify(place, { images });
    assert.deepEqual(outcome, {
      images: 2,
      entries: 11,
      segments: 10,
      containersChecked: 0,
      containers: 3,
      bytesRead: 0,
      damages: [],
      transients: [],
      noted: [],
    });
  });

  test("names the image and the files whose segments are nowhere", async () => {
    const place = await makePlace();
    const index = new ContentsIndex(place.containers.slice(1));
    const outcome = await verify({ ...place, index });
    assert.deepEqual(outcome.damages, [
      {
        what: "image one",
        problem: "6 segments of 6 files are in no container that the index knows: /f10, /f11, /f12, /f13, /f14, and 1 more",
        code: "SEGMENT_MISSING",
      },
    ]);
  });

  test("names containers that are missing, cut off, or shorter than the index says", async () => {
    const place = await makePlace();
    const [first, second] = place.containers as [ContainerContents, ContainerContents];
    place.disk.remove(pathOf(first.name));
    place.disk.tamper(pathOf(second.name), (bytes) => bytes.subarray(0, bytes.length - 100));
    const outcome = await verify(place);
    assert.deepEqual(
      outcome.damages.map(({ what, code }) => [what, code]),
      [
        [`container ${first.name}`, "SEGMENT_MISSING"],
        [`container ${second.name}`, "FORMAT_MAGIC"],
      ],
    );
    assert.match(outcome.damages[0]?.problem ?? "", /6 segments are needed from it$/);
  });

  test("names a container that is missing though no image needs it", async () => {
    const place = await makePlace();
    const [, , unneeded] = place.containers as [ContainerContents, ContainerContents, ContainerContents];
    place.disk.remove(pathOf(unneeded.name));
    assert.deepEqual((await verify(place)).damages, [
      {
        what: `container ${unneeded.name}`,
        problem: 'it does not exist on volume "main"; as far as images could be read, no content is needed from it alone',
        code: "SEGMENT_MISSING",
      },
    ]);
  });

  test("names pages that cannot be read and goes on with the others", async () => {
    const place = await makePlace();
    const { maker } = place;
    const entries = Array.from({ length: 4_000 }, (_, i) => [`f${1_000 + i}`, bodyOf({ kind: 2 })] as const);
    const root = maker.image(["", maker.directory()], ...entries);
    const lost = maker.repository.pageNames.find(
      (name) => name !== hexOf(root.fingerprint) && name !== hexOf(place.root.fingerprint),
    );
    maker.repository.losePage(lost ?? "");
    const outcome = await verify(place, {
      images: [
        { id: "many", root },
        { id: "one", root: place.root },
      ],
    });
    assert.deepEqual(
      outcome.damages.map(({ what, code }) => [what, code]),
      [["image many", "SEGMENT_MISSING"]],
    );
    assert.match(outcome.damages[0]?.problem ?? "", /^the page of entries from \/.* on \(\d+ entries\): /);
    assert.ok(outcome.entries > 3_000 && outcome.entries < 4_012);
  });
});

describe("verifying the data", () => {
  test("reads every container once and finds an intact one intact", async () => {
    const place = await makePlace();
    const outcome = await verify(place, { readData: 1 });
    const bytes = place.containers.map(({ name }) => place.disk.contents().get(pathOf(name))?.length ?? 0);
    assert.deepEqual(outcome.damages, []);
    assert.deepEqual([outcome.containersChecked, outcome.bytesRead], [3, bytes.reduce((sum, each) => sum + each, 0)]);
    assert.deepEqual(outcome.noted, place.containers.map(({ name }) => `${name.slice(0, 8)} intact`).toSorted());
  });

  test("finds every flipped bit, and says what it costs", async () => {
    const place = await makePlace();
    const [first] = place.containers as [ContainerContents];
    const size = place.disk.contents().get(pathOf(first.name))?.length ?? 0;
    const blockOf = (at: number): number => first.blocks.offsets.findLastIndex((offset) => offset <= at);
    const blocksEnd = (first.blocks.offsets.at(-1) ?? 0) + (first.blocks.storedLengths.at(-1) ?? 0);
    for (let at = 0; at < size; at += 97) {
      place.disk.tamper(pathOf(first.name), (bytes) => flip(bytes, at));
      const { damages } = await verify(place, { images: [], readData: 1 });
      place.disk.tamper(pathOf(first.name), (bytes) => flip(bytes, at));
      assert.equal(damages[0]?.what, `container ${first.name}`, `byte ${at}`);
      assert.match(damages[0]?.problem ?? "", /^its bytes have the SHA-256 /);
      if (at < 64 || at >= blocksEnd) continue;
      const block = blockOf(at);
      const count = first.blocks.segmentCounts[block] as number;
      assert.equal(damages.length, 2, `byte ${at}`);
      assert.equal(damages[1]?.code, "SEAL_BROKEN");
      assert.match(
        damages[1]?.problem ?? "",
        new RegExp(`^the block at byte ${first.blocks.offsets[block]}: .* \\(${count} segments? affected\\)$`),
      );
    }
  });

  test("finds containers that are missing, cut off, exchanged or foreign", async () => {
    const place = await makePlace();
    const [first, second, third] = place.containers as [ContainerContents, ContainerContents, ContainerContents];
    const bytes = place.disk.contents().get(pathOf(second.name)) ?? utf8("");
    place.disk.tamper(pathOf(first.name), () => bytes.slice());
    place.disk.tamper(pathOf(second.name), (all) => all.subarray(0, all.length / 2));
    place.disk.tamper(pathOf(third.name), (all) => all.subarray(0, 3));
    const outcome = await verify(place, { images: [], readData: 1 });
    const codes = (name: string): readonly string[] =>
      outcome.damages.filter(({ what }) => what === `container ${name}`).map(({ code }) => code);
    assert.deepEqual(
      [codes(first.name), codes(second.name), codes(third.name)],
      [["REPOSITORY_DAMAGED"], ["REPOSITORY_DAMAGED", "FORMAT_MAGIC"], ["REPOSITORY_DAMAGED", "FORMAT_TRUNCATED"]],
    );
    assert.deepEqual(
      outcome.noted,
      [`${first.name.slice(0, 8)} damaged`, `${second.name.slice(0, 8)} damaged`, `${third.name.slice(0, 8)} damaged`].toSorted(),
    );
    const gone = await verify({ ...place, volume: removedMeanwhile(place, third.name) }, { images: [], readData: 1 });
    assert.ok(gone.noted.includes(`${third.name.slice(0, 8)} missing`));
    assert.ok(gone.damages.some(({ what, code }) => what === `container ${third.name}` && code === "SEGMENT_MISSING"));
  });

  test("a container that is gone when it is to be read is no loss when the index does not name it either", async () => {
    const place = await makePlace();
    const unknown = "ab".repeat(32) as ContainerName;
    const { damages, noted } = await verify({ ...place, volume: removedMeanwhile(place, unknown) }, { images: [], readData: 1 });
    assert.deepEqual(damages, []);
    assert.deepEqual(noted, place.containers.map(({ name }) => `${name.slice(0, 8)} intact`).toSorted());
  });

  test("reads a share, those verified longest ago first", async () => {
    const place = await makePlace();
    const [first, second, third] = place.containers as [ContainerContents, ContainerContents, ContainerContents];
    const ages = new Map<string, number>([
      [first.name, 300],
      [third.name, 100],
    ]);
    const one = await verify(place, { readData: 0.3 }, ages);
    assert.deepEqual(one.noted, [`${second.name.slice(0, 8)} intact`]);
    const two = await verify(place, { readData: 0.5 }, ages);
    assert.deepEqual(two.noted, [`${second.name.slice(0, 8)} intact`, `${third.name.slice(0, 8)} intact`].toSorted());
  });

  test("reads what was found damaged beside the share, so that it is neither forgotten nor in the way", async () => {
    const place = await makePlace();
    const [first, second, third] = place.containers as [ContainerContents, ContainerContents, ContainerContents];
    // Negative: found damaged at that time.
    const ages = new Map<string, number>([
      [first.name, -300],
      [second.name, 200],
      [third.name, 100],
    ]);
    const outcome = await verify(place, { readData: 0.5 }, ages);
    assert.deepEqual(outcome.noted, [`${first.name.slice(0, 8)} intact`, `${third.name.slice(0, 8)} intact`].toSorted());
  });

  test("tells what only the first reading found apart from damage", async () => {
    const place = await makePlace();
    const [first] = place.containers as [ContainerContents];
    const { volume } = place;
    const failures = new Set([first.name]);
    const unsteady: Volume = Object.assign(Object.create(volume) as Volume, {
      id: volume.id,
      name: volume.name,
      listContainers: () => volume.listContainers(),
      containerSize: (name: ContainerName) => volume.containerSize(name),
      readContainer: async (name: ContainerName, offset: number, length: number) => {
        const bytes = await volume.readContainer(name, offset, length);
        return length > 32 && failures.delete(name) ? flip(bytes, 200) : bytes;
      },
    });
    const outcome = await verify({ ...place, volume: unsteady }, { readData: 1 });
    assert.deepEqual(outcome.damages, []);
    assert.deepEqual(
      outcome.transients.map(({ what, code }) => [what, code]),
      [
        [`container ${first.name}`, "REPOSITORY_DAMAGED"],
        [`container ${first.name}`, "SEAL_BROKEN"],
      ],
    );
    assert.ok(outcome.noted.every((note) => note.endsWith("intact")));
  });

  test("stops when it is asked to", async () => {
    const place = await makePlace();
    const controller = new AbortController();
    const onProgress = ({ phase }: { readonly phase: string }): void => {
      if (phase === "images") controller.abort();
    };
    await assert.rejects(verify(place, { readData: 1, onProgress, signal: controller.signal }), { code: "INTERRUPTED" });
  });
});
