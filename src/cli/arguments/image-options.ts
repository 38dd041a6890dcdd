import type { ImageFilter } from "../library.ts";
import { withoutUndefined } from "../text/without-undefined.ts";
import { text, type Values } from "./options.ts";

const section = "Which images";

/** Narrow a list of images, or say among which "latest" is the latest. */
export const IMAGE_FILTER_OPTIONS = {
  source: text({ section, valueName: "SOURCE", help: "only images of this source" }),
  host: text({ section, valueName: "HOST", help: "only images from this host" }),
  tag: text({ section, valueName: "TAG", help: "only images that carry this tag" }),
};

export function filterOf({ source, host, tag }: Values<typeof IMAGE_FILTER_OPTIONS>): ImageFilter {
  return withoutUndefined({ source, host, tag });
}

/** How help speaks of images, the same everywhere. */
export const IMAGE_REFERENCE = 'IMAGE is an id as `holdfast images` shows it, the beginning of one, or "latest".';
