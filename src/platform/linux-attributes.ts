// Extended attributes on Linux. Lists and values are limited to 64 KiB by the kernel's own interface, so
// one buffer of that size serves both without asking for sizes first.

import { textOf } from "../base/bytes.ts";
import { FileTreeError, type ExtendedAttribute } from "./file-tree.ts";
import { TerminatedBytes } from "./entry-names.ts";
import { EINTR, ENODATA, ENOTSUP, systemError, type Libc } from "./linux-libc.ts";

const LIMIT_BYTES = 65_536;
const NONE: readonly ExtendedAttribute[] = Object.freeze([]);

/** A handle, or a path whose last component is not followed. */
type Target = number | Uint8Array;

export class LinuxAttributes {
  readonly #libc: Libc;
  readonly #buffer = new Uint8Array(new ArrayBuffer(LIMIT_BYTES));
  readonly #name = new TerminatedBytes();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  read(target: Target): readonly ExtendedAttribute[] {
    const libc = this.#libc;
    const buffer = this.#buffer;
    const length =
      typeof target === "number" ? libc.flistxattr(target, buffer, LIMIT_BYTES) : libc.llistxattr(target, buffer, LIMIT_BYTES);
    if (length === 0) return NONE;
    if (length < 0) {
      const errno = libc.errno();
      if (errno === EINTR) return this.read(target);
      if (errno === ENOTSUP) return NONE;
      throw systemError(errno, "list extended attributes");
    }
    const attributes: ExtendedAttribute[] = [];
    for (const name of sortedNames(buffer.slice(0, length))) {
      const value = this.#value(target, name);
      if (value !== undefined) attributes.push({ name, value });
    }
    return attributes;
  }

  /** Undefined when the attribute has vanished, or is listed by a file system that then cannot give it. */
  #value(target: Target, name: Uint8Array): Uint8Array | undefined {
    const libc = this.#libc;
    const buffer = this.#buffer;
    const terminated = this.#name.text(name, "read extended attribute");
    const length =
      typeof target === "number"
        ? libc.fgetxattr(target, terminated, buffer, LIMIT_BYTES)
        : libc.lgetxattr(target, terminated, buffer, LIMIT_BYTES);
    if (length >= 0) return buffer.slice(0, length);
    const errno = libc.errno();
    if (errno === EINTR) return this.#value(target, name);
    if (errno === ENODATA || errno === ENOTSUP) return undefined;
    throw systemError(errno, "read extended attribute", textOf(name));
  }

  write(target: Target, attribute: ExtendedAttribute): void {
    const libc = this.#libc;
    const { name, value } = attribute;
    const action = "set extended attribute";
    if (name.length === 0) throw new FileTreeError("EINVAL", action, "");
    const terminated = this.#name.text(name, action);
    const result =
      typeof target === "number"
        ? libc.fsetxattr(target, terminated, value, value.length, 0)
        : libc.lsetxattr(target, terminated, value, value.length, 0);
    if (result < 0) throw systemError(libc.errno(), action, textOf(name));
  }

  /** An attribute that is not there is as good as removed. */
  remove(handle: number, name: Uint8Array): void {
    const action = "remove extended attribute";
    if (this.#libc.fremovexattr(handle, this.#name.text(name, action)) === 0) return;
    const errno = this.#libc.errno();
    if (errno !== ENODATA) throw systemError(errno, action, textOf(name));
  }
}

/** Zero-terminated names one after the other. */
function sortedNames(list: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let start = 0;
  for (let end = list.indexOf(0); end >= 0; end = list.indexOf(0, start)) {
    names.push(list.subarray(start, end));
    start = end + 1;
  }
  return names.sort(Buffer.compare);
}
