// Pages as JSON-ready data, every field of the format among it.

import { hexOf, textOf } from "../base/bytes.ts";
import { EntryPageCursor, decodeIndexPage } from "../formats/entry-page.ts";
import { readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { decodeListIndex, decodeListLeaf } from "../formats/segment-list.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { LISTED_KINDS, absolutePathOf } from "./listed-entry.ts";

/** `kind` is "page" for entries and "list" for the content of a large file. */
export function describePage(kind: "page" | "list", bytes: Uint8Array): Readonly<Record<string, unknown>> {
  // Byte 1 is the level in both formats; the decoders check it again.
  const level = bytes[1] ?? 0;
  const header = { kind: kind === "page" ? "entries" : "segments", level, sizeBytes: bytes.length };
  if (kind === "list") {
    return level === 0
      ? { ...header, segments: decodeListLeaf(bytes).map(describeReference) }
      : { ...header, pages: decodeListIndex(bytes, level).map((page) => ({ ...page, fingerprint: hexOf(page.fingerprint) })) };
  }
  if (level > 0) {
    const pages = decodeIndexPage(bytes, level).map(({ fingerprint, pageBytes, entryCount, firstPath }) => ({
      fingerprint: hexOf(fingerprint),
      pageBytes,
      entryCount,
      ...describePath("firstPath", firstPath),
    }));
    return { ...header, pages };
  }
  const cursor = new EntryPageCursor();
  cursor.open(bytes);
  const entries: unknown[] = [];
  while (cursor.next())
    entries.push({ ...describePath("path", cursor.pathCopy()), ...describeBody(readEntryBody(cursor.body())) });
  return { ...header, entries };
}

/** In hexadecimal as well when the text does not say it exactly. */
function describePath(name: string, path: Uint8Array): Readonly<Record<string, string>> {
  return describeBytes(name, absolutePathOf(path));
}

function describeBytes(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const text = textOf(bytes);
  return Buffer.from(text).equals(bytes) ? { [name]: text } : { [name]: text, [`${name}Hex`]: hexOf(bytes) };
}

function describeBody({ linkTarget, attributes, storedAttributes, segments, segmentList, ...body }: EntryBody): object {
  return {
    ...body,
    kind: LISTED_KINDS[body.kind],
    mode: body.mode.toString(8).padStart(4, "0"),
    inode: body.inode.toString(),
    ...(linkTarget === undefined ? {} : describeBytes("linkTarget", linkTarget)),
    ...(attributes === undefined
      ? {}
      : { attributes: attributes.map(({ name, value }) => ({ ...describeBytes("name", name), valueHex: hexOf(value) })) }),
    ...(storedAttributes === undefined ? {} : { storedAttributes: describeReference(storedAttributes) }),
    ...(segments === undefined ? {} : { segments: segments.map(describeReference) }),
    ...(segmentList === undefined ? {} : { segmentList: { ...segmentList, fingerprint: hexOf(segmentList.fingerprint) } }),
  };
}

function describeReference(reference: SegmentReference): unknown {
  return reference.kind === "data" ? { ...reference, fingerprint: hexOf(reference.fingerprint) } : reference;
}
