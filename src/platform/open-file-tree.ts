import { hasCode } from "../base/errors.ts";
import { openLinuxFileTree } from "./file-tree-linux.ts";
import { openPortableFileTree } from "./file-tree-portable.ts";
import type { FileTree } from "./file-tree.ts";
import type { ForeignFunctionsLoader } from "./linux-libc.ts";

export interface OpenedFileTree {
  readonly tree: FileTree;
  /** One sentence for the person, when this platform cannot carry everything. */
  readonly notice?: string;
}

/**
 * The most faithful file tree of this platform. On Linux a native one; elsewhere, and where it cannot be
 * loaded, the portable one. `loadForeignFunctions` replaces the search for the koffi package.
 */
export function openFileTree(loadForeignFunctions?: ForeignFunctionsLoader): OpenedFileTree {
  const lost = "extended attributes, access control lists, holes, FIFOs, device nodes, file flags and exact file times";
  if (process.platform !== "linux") {
    return { tree: openPortableFileTree(), notice: `On this platform ${lost} are not preserved.` };
  }
  try {
    return { tree: openLinuxFileTree(loadForeignFunctions) };
  } catch (error) {
    if (!hasCode(error, "PLATFORM_UNSUPPORTED")) throw error;
    return { tree: openPortableFileTree(), notice: `${capitalized(lost)} are not preserved: ${error.message}.` };
  }
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
