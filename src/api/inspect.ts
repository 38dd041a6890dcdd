// Stored things as data for the curious: what lies in the repository, decoded and checked, nothing that opens it.

import { bytesOfHex, hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { BLOCK_METADATA } from "../formats/block.ts";
import { CONTAINER_METADATA } from "../formats/container.ts";
import { blockIdentityAt } from "../formats/container-directory.ts";
import type { ContainerName, Volume } from "../media/media.ts";
import { listKeySlots } from "../repository/repository.ts";
import { describePage } from "./describe-page.ts";
import type { Opened } from "./opened.ts";
import { selectImage } from "./select-image.ts";

export interface Inspected {
  readonly kind: "image" | "container" | "page" | "repository" | "key";
  /** An image, or the beginning of its identifier; a container or key slot likewise; the whole fingerprint of a page. */
  readonly id?: string;
}

/** JSON-ready: bytes are hexadecimal text, numbers beyond 2^53 decimal text. USAGE when an identifier is missing or fits nothing. */
export async function inspectStored(opened: Opened, what: Inspected): Promise<unknown> {
  switch (what.kind) {
    case "repository":
      return describeRepository(opened);
    case "key":
      return describeKeys(opened, what.id);
    case "image":
      return selectImage(opened, idOf(what));
    case "container":
      return describeContainer(opened, idOf(what));
    case "page":
      return inspectPage(opened, idOf(what));
  }
}

function idOf({ kind, id }: Inspected): string {
  if (id !== undefined && id !== "") return id;
  throw new HoldfastError("USAGE", { message: `Which ${kind}? Its identifier is missing` });
}

function describeRepository({ repository }: Opened): unknown {
  return {
    id: hexOf(repository.id),
    location: repository.layout.root,
    createdAtMs: repository.createdAtMs,
    trails: repository.trails,
    defaultVolume: repository.defaultVolume.id,
    volumes: repository.volumes.map(({ id, name, path, label }) => ({
      id,
      name,
      path,
      mediaType: label.mediaType,
      createdAtMs: label.createdAtMs,
      capacityBytes: label.capacityBytes,
    })),
    problems: repository.problems.map(({ code, message }) => ({ code, message })),
  };
}

function describeKeys({ services, repository }: Opened, id: string | undefined): unknown {
  const { files } = services;
  const { slots, unusable } = listKeySlots({ files, layout: repository.layout, repositoryId: repository.id });
  const all = [
    ...slots.map((slot) => ({ ...slot, isCurrent: slot.id === repository.unlocked.slotId })),
    ...unusable.map((slot) => ({ id: slot.id, problem: { code: slot.problem.code, message: slot.problem.message } })),
  ];
  if (id === undefined) return all;
  const name = uniqueBeginning(
    all.map((slot) => slot.id),
    id,
  );
  if (name !== undefined) return all.find((slot) => slot.id === name);
  throw new HoldfastError("KEY_SLOT_UNKNOWN", {
    message: `There is no one key slot "${id}"`,
    hint: "`holdfast key list` shows them.",
  });
}

/** The only one of `names` that begins with `text`. */
function uniqueBeginning(names: Iterable<string>, text: string): string | undefined {
  const wanted = text.toLowerCase();
  const matches = [...new Set(names)].filter((name) => name.startsWith(wanted));
  return matches.length === 1 ? matches[0] : undefined;
}

async function describeContainer(opened: Opened, id: string): Promise<unknown> {
  const { volume, name } = await findContainer(opened.repository.volumes, id);
  const { blocks, segments, kind, sizeBytes } = await opened.containerReader().readDirectory(volume, name);
  return {
    name,
    volume: volume.id,
    kind: kind === CONTAINER_METADATA ? "metadata" : "data",
    sizeBytes,
    plainBytes: blocks.plainLengths.reduce((sum, length) => sum + length, 0),
    segmentCount: segments.lengths.length,
    blocks: Array.from(blocks.offsets, (offset, at) => ({
      offset,
      storedLength: blocks.storedLengths[at],
      plainLength: blocks.plainLengths[at],
      kind: blocks.kinds[at] === BLOCK_METADATA ? "metadata" : "data",
      identity: hexOf(blockIdentityAt(blocks, at)),
      segmentCount: blocks.segmentCounts[at],
    })),
  };
}

async function findContainer(
  volumes: readonly Volume[],
  id: string,
): Promise<{ readonly volume: Volume; readonly name: ContainerName }> {
  const places = new Map<string, Volume>();
  for (const volume of volumes.toReversed()) for (const name of await volume.listContainers()) places.set(name, volume);
  const name = uniqueBeginning(places.keys(), id);
  const volume = name === undefined ? undefined : places.get(name);
  if (name !== undefined && volume !== undefined) return { volume, name: name as ContainerName };
  throw new HoldfastError("USAGE", {
    message: `No container, or more than one, has a name that begins with "${id.slice(0, 64)}"`,
    hint: "Containers are the files under volumes/*/containers.",
  });
}

async function inspectPage(opened: Opened, id: string): Promise<unknown> {
  if (!/^[0-9a-f]{64}$/i.test(id)) {
    throw new HoldfastError("USAGE", {
      message: `Not the fingerprint of a page: "${id.slice(0, 80)}" (64 hexadecimal digits expected)`,
      hint: "`holdfast cat image IMAGE` shows that of its topmost page.",
    });
  }
  const fingerprint = bytesOfHex(id) as Fingerprint;
  const found = await loadEither(opened, fingerprint);
  return { fingerprint: hexOf(fingerprint), ...describePage(found.kind, found.bytes) };
}

/** A fingerprint does not say which kind of page it is of; only one of the two keys fits. */
async function loadEither(
  { reader }: Opened,
  fingerprint: Fingerprint,
): Promise<{ readonly kind: "page" | "list"; readonly bytes: Uint8Array }> {
  try {
    return { kind: "page", bytes: await reader.load("page", fingerprint) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    try {
      return { kind: "list", bytes: await reader.load("list", fingerprint) };
    } catch {
      throw error;
    }
  }
}
