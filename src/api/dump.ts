// What an image holds, as a stream of bytes: the content of a file, or a directory as tar.

import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE } from "../formats/entry.ts";
import { treeRootOf } from "../server/server.ts";
import { lookUp, imagePathOf, pathNotInImage } from "./entries.ts";
import { contentOf } from "./file-content.ts";
import type { ContentSource } from "./file-content.ts";
import { LISTED_KINDS, absolutePathOf } from "./listed-entry.ts";
import { tarOf } from "./tar-stream.ts";
import type { ImageSummary } from "./types.ts";

/**
 * Bounded memory whatever the size. The pieces must not be written to; those of holes are one and the same. Fails in
 * the middle when a segment is damaged: whoever reads must look at the outcome before using what came. PATH_NOT_IN_IMAGE,
 * USAGE for what is neither file nor directory.
 */
export async function* dumpEntry(
  source: ContentSource,
  image: ImageSummary,
  path: string | Uint8Array,
): AsyncGenerator<Uint8Array> {
  const wanted = imagePathOf(path);
  const { entry, isImplied } = await lookUp(source.reader, treeRootOf(image.record.root), wanted);
  if (isImplied || entry?.body.kind === ENTRY_DIRECTORY) yield* tarOf(source, image.record, wanted);
  else if (entry === undefined) throw await pathNotInImage(source.reader, image, wanted);
  else if (entry.body.kind === ENTRY_FILE) yield* contentOf(source, entry);
  else {
    const shown = textOf(absolutePathOf(wanted));
    throw new HoldfastError("USAGE", {
      message: `Cannot dump "${shown}": it has no content (${LISTED_KINDS[entry.body.kind]})`,
      context: { image: image.id, path: shown },
      hint: "Dump the directory it lies in: the tar stream has it.",
    });
  }
}
