import { HoldfastError } from "../../base/errors.ts";
import { filterOf, IMAGE_FILTER_OPTIONS, IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { isShownAsIs } from "../text/safe-text.ts";

export const dumpCommand = defineCommand({
  name: "dump",
  summary: "Write a file of an image to the output, or a directory as tar",
  description: [
    `Writes the content of a file to standard output. A directory is written as a tar archive (pax), with everything below it. ${IMAGE_REFERENCE}`,
    "On a terminal only text is shown: anything else could garble it.",
  ],
  positionals: [
    { name: "IMAGE", completes: "image" },
    { name: "PATH", completes: "file" },
  ],
  options: IMAGE_FILTER_OPTIONS,
  writes: "content",
  usesRepository: true,
  examples: [
    { command: "holdfast dump latest /etc/fstab", explanation: "a file" },
    { command: "holdfast dump latest /srv/www > www.tar", explanation: "a directory" },
    { command: "holdfast dump latest /var/dump.sql | mysql shop", explanation: "a database dump, straight back" },
  ],
  exitStatuses: [],
  async run(context, values) {
    await using repository = await context.openRepository();
    const { output, positionals, world } = context;
    const [image = "", path = ""] = positionals;
    const check = world.output.isTerminal ? terminalGuard() : undefined;
    for await (const bytes of repository.dump(image, context.absolute(path), { filter: filterOf(values) })) {
      check?.(bytes);
      await output.bytes(bytes);
    }
    return EXIT.done;
  },
});

/** Throws at the first bytes that a terminal would not show as they are. Characters may be cut anywhere between two pieces. */
function terminalGuard(): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (bytes) => {
    let isText: boolean;
    try {
      isText = isShownAsIs(decoder.decode(bytes, { stream: true }));
    } catch {
      isText = false;
    }
    if (isText) return;
    throw new HoldfastError("USAGE", {
      message: "This is not plain text, and is not written to a terminal",
      hint: "Write it to a file or to a program: `holdfast dump ... > FILE`.",
    });
  };
}
