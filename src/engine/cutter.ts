// Cuts data into segments where the content says so, so that an insertion moves the boundaries around it and no
// others (docs/design/cutting.md). The scanning is WebAssembly and works on memory of its own: read files straight
// into `window`.

import { assert } from "../base/assert.ts";
import { cutterModuleBase64 } from "./cutter-wasm.ts";
import { DEFAULT_CUT_SIZES, deriveCutterParameters, type CutSizes } from "./cutter-parameters.ts";
import { webAssembly } from "./wasm.ts";

/** Where the constants lie in the module's memory; cutter.as.ts has the same list. */
const AT = {
  tableLow: 0,
  tableHigh: 16,
  magic: 32,
  keys: 64,
  factors: 96,
  finalFactor: 128,
  limits: 136,
  sizes: 152,
  window: 4096,
};
/** The last step of a scan loads, and ignores, up to this many bytes behind the data. */
const SLACK_BYTES = 64;
const PAGE_BYTES = 65_536;

/** Room for a segment of any length and for reading on while it is found. */
export const DEFAULT_WINDOW_BYTES = 8 * 1024 * 1024;

let compiled: object | undefined;

export class Cutter {
  /** The data to cut, to be filled by the caller. Fixed for the life of the cutter; never moves. */
  readonly window: Uint8Array<ArrayBuffer>;
  readonly sizes: CutSizes;
  readonly #next: (start: number, end: number, atEnd: number) => number;

  /** `key` is the 32-byte subkey of purpose "cut". The window must hold a segment of the maximum length. */
  constructor(key: Uint8Array, sizes: CutSizes = DEFAULT_CUT_SIZES, windowBytes: number = DEFAULT_WINDOW_BYTES) {
    assert(
      windowBytes >= sizes.maximum && windowBytes <= 0x4000_0000,
      "the window holds a segment of maximum length and at most 1 GiB",
    );
    const parameters = deriveCutterParameters(key, sizes);
    const pages = Math.ceil((AT.window + windowBytes + SLACK_BYTES) / PAGE_BYTES);
    const memory = new webAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new webAssembly.Module(Buffer.from(cutterModuleBase64, "base64"));
    const instance = new webAssembly.Instance(compiled, { env: { memory } });
    this.#next = instance.exports["next"] as (start: number, end: number, atEnd: number) => number;
    this.window = new Uint8Array(memory.buffer, AT.window, windowBytes);
    this.sizes = sizes;

    const bytes = new Uint8Array(memory.buffer);
    const view = new DataView(memory.buffer);
    bytes.set(parameters.tableLow, AT.tableLow);
    bytes.set(parameters.tableHigh, AT.tableHigh);
    view.setUint8(AT.magic, parameters.magic);
    parameters.keys.forEach((word, position) => view.setBigUint64(AT.keys + position * 8, word, true));
    parameters.factors.forEach((word, position) => view.setBigUint64(AT.factors + position * 8, word, true));
    view.setBigUint64(AT.finalFactor, parameters.finalFactor, true);
    view.setBigUint64(AT.limits, parameters.limitBefore, true);
    view.setBigUint64(AT.limits + 8, parameters.limitAfter, true);
    view.setUint32(AT.sizes, sizes.minimum, true);
    view.setUint32(AT.sizes + 4, sizes.normal, true);
    view.setUint32(AT.sizes + 8, sizes.maximum, true);
  }

  /**
   * The end of the segment that begins at offset `start` of the window, of which the bytes up to `end` are valid. `atEnd`
   * says that the data ends there. Returns -1 when the answer depends on bytes that are not there yet; never with
   * `sizes.maximum` bytes at hand.
   *
   * The answer depends on nothing but the bytes from `start` on: not on `start` itself, on how many more there are, or on earlier calls.
   */
  next(start: number, end: number, atEnd: boolean): number {
    assert(start >= 0 && start <= end && end <= this.window.length, "the data lies within the window");
    return this.#next(start, end, atEnd ? 1 : 0);
  }
}
