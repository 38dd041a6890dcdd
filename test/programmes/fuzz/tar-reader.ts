// A plain reader of pax headers, written from the standard and not from our writer: what it finds is what another program would.

export interface TarHeadersFound {
  readonly path: string;
  readonly linkTarget: string;
  readonly size: number;
  readonly userId: number;
  readonly groupId: number;
  /** How many extended attributes. */
  readonly attributes: number;
}

/** Paths in hexadecimal. Throws a plain Error for whatever a strict reader would not take. */
export function readTarHeaders(bytes: Uint8Array): TarHeadersFound {
  let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let records = new Map<string, Buffer>();
  let header = blockOf(rest);
  if (header.type === "x") {
    records = recordsOf(rest.subarray(512, 512 + header.size));
    rest = rest.subarray(512 + Math.ceil(header.size / 512) * 512);
    header = blockOf(rest);
  }
  if (rest.length !== 512) throw new Error(`${rest.length - 512} bytes follow the header`);
  const number = (keyword: string, otherwise: number): number => Number(records.get(keyword)?.toString() ?? otherwise);
  return {
    path: (records.get("path") ?? header.path).toString("hex"),
    linkTarget: (records.get("linkpath") ?? header.link).toString("hex"),
    size: number("size", header.size),
    userId: number("uid", header.userId),
    groupId: number("gid", header.groupId),
    attributes: [...records.keys()].filter((keyword) => keyword.startsWith("SCHILY.xattr.")).length,
  };
}

function blockOf(bytes: Buffer) {
  const block = bytes.subarray(0, 512);
  if (block.length !== 512) throw new Error("no whole header");
  let sum = 0;
  for (let at = 0; at < 512; at++) sum += at >= 148 && at < 156 ? 0x20 : block[at]!;
  if (octal(block, 148, 8) !== sum) throw new Error("the sum of the header does not fit");
  if (block.toString("latin1", 257, 265) !== "ustar\u000000") throw new Error("not a ustar header");
  const [name, prefix] = [text(block, 0, 100), text(block, 345, 155)];
  return {
    type: block.toString("latin1", 156, 157),
    path: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from("/"), name]),
    link: text(block, 157, 100),
    size: octal(block, 124, 12),
    userId: octal(block, 108, 8),
    groupId: octal(block, 116, 8),
  };
}

function recordsOf(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(" ", at);
    const length = Number(bytes.toString("latin1", at, space));
    if (space < 0 || !Number.isInteger(length) || length <= 0 || at + length > bytes.length)
      throw new Error("a record without a length");
    if (bytes[at + length - 1] !== 0x0a) throw new Error("a record does not end with a new line");
    const equals = bytes.indexOf("=", space);
    if (equals < 0 || equals >= at + length) throw new Error("a record without a value");
    records.set(bytes.toString("latin1", space + 1, equals), bytes.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

function text(block: Buffer, at: number, size: number): Buffer {
  const field = block.subarray(at, at + size);
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}

function octal(block: Buffer, at: number, size: number): number {
  return Number.parseInt(text(block, at, size).toString("latin1").trim() || "0", 8);
}
