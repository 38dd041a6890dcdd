import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { concatBytes, textOf, utf8 } from "../base/bytes.ts";
import { TAR_BLOCK_BYTES, TAR_END, encodeTarHeaders, tarPadding } from "./pax.ts";
import type { TarMember } from "./pax.ts";
import { accessControlText } from "./posix-acl.ts";

const plain: TarMember = {
  type: "file",
  path: utf8("home/ann/letter"),
  mode: 0o640,
  userId: 1000,
  groupId: 100,
  userName: "ann",
  groupName: "users",
  modified: { seconds: 1_700_000_000, nanoseconds: 0 },
  sizeBytes: 5,
};

const member = (changes: Partial<TarMember>): TarMember => ({ ...plain, ...changes });

/** The records in front of a member, as keyword and value in Latin-1; undefined when there are none. */
function recordsOf(headers: Uint8Array): Record<string, string> | undefined {
  if (headers.length === TAR_BLOCK_BYTES) return undefined;
  assert.equal(String.fromCharCode(headers[156] ?? 0), "x");
  const size = Number.parseInt(textOf(headers.subarray(124, 135)), 8);
  assert.equal(headers.length, 2 * TAR_BLOCK_BYTES + size + tarPadding(size));
  const records: Record<string, string> = {};
  let rest = Buffer.from(headers.subarray(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + size)).toString("latin1");
  while (rest !== "") {
    const length = Number.parseInt(rest, 10);
    const record = rest.slice(rest.indexOf(" ") + 1, length);
    assert.ok(record.endsWith("\n"), record);
    records[record.slice(0, record.indexOf("="))] = record.slice(record.indexOf("=") + 1, -1);
    rest = rest.slice(length);
  }
  return records;
}

const field = (headers: Uint8Array, offset: number, length: number): string =>
  Buffer.from(headers.subarray(headers.length - TAR_BLOCK_BYTES))
    .toString("latin1", offset, offset + length)
    .replace(/\0.*$/s, "");

describe("the headers of a member of a tar stream", () => {
  test("are one block when it says everything", () => {
    const headers = encodeTarHeaders(plain);
    assert.equal(recordsOf(headers), undefined);
    const fields = {
      name: [0, 100],
      mode: [100, 8],
      uid: [108, 8],
      gid: [116, 8],
      size: [124, 12],
      mtime: [136, 12],
      type: [156, 1],
    } as const;
    const found = Object.entries(fields).map(([name, [offset, length]]) => [name, field(headers, offset, length)]);
    assert.deepEqual(Object.fromEntries(found), {
      name: "home/ann/letter",
      mode: "0000640",
      uid: "0001750",
      gid: "0000144",
      size: "00000000005",
      mtime: "14524770400",
      type: "0",
    });
    assert.deepEqual([field(headers, 257, 6), field(headers, 265, 32), field(headers, 297, 32)], ["ustar", "ann", "users"]);
  });

  test("keep times to the nanosecond, also before 1970 and far ahead", () => {
    const time = (seconds: number, nanoseconds: number): string | undefined =>
      recordsOf(encodeTarHeaders(member({ modified: { seconds, nanoseconds } })))?.["mtime"];
    assert.equal(time(1, 0), undefined);
    assert.equal(time(1, 1), "1.000000001");
    assert.equal(time(0, 500_000_000), "0.500000000");
    assert.equal(time(-1, 0), "-1");
    assert.equal(time(-1, 500_000_000), "-0.500000000");
    assert.equal(time(-2, 1), "-1.999999999");
    assert.equal(time(8_589_934_591, 0), undefined);
    assert.equal(time(8_589_934_592, 0), "8589934592");
  });

  test("keep what is too large for a field", () => {
    const large = { sizeBytes: 8 * 1024 ** 3, userId: 0xffff_fffe, groupId: 2_097_152 };
    const headers = encodeTarHeaders(member(large));
    assert.deepEqual(recordsOf(headers), { uid: "4294967294", gid: "2097152", size: "8589934592" });
    assert.deepEqual([field(headers, 108, 8), field(headers, 124, 12)], ["7777777", "77777777777"]);
    const small = { sizeBytes: 8 * 1024 ** 3 - 1, userId: 2_097_151, groupId: 2_097_151 };
    assert.equal(recordsOf(encodeTarHeaders(member(small))), undefined);
    const device = encodeTarHeaders(member({ type: "block-device", node: { major: 8, minor: 0xffff_ffff } }));
    assert.equal(recordsOf(device), undefined);
    assert.equal(Buffer.from(device).toString("hex", 337, 345), "80000000ffffffff");
  });

  test("keep names of any length and any bytes", () => {
    const named = (path: Uint8Array, changes: Partial<TarMember> = {}): unknown => {
      const headers = encodeTarHeaders(member({ path, ...changes }));
      return [recordsOf(headers), field(headers, 0, 100), field(headers, 345, 155)];
    };
    const long = "n".repeat(100);
    assert.deepEqual(named(utf8(long)), [undefined, long, ""]);
    assert.deepEqual(named(utf8(`p/${long}`)), [undefined, long, "p"]);
    assert.deepEqual(named(utf8(`${"p".repeat(155)}/${long}`)), [undefined, long, "p".repeat(155)]);
    const longer = `${"p".repeat(156)}/${long}`;
    assert.deepEqual(named(utf8(longer)), [{ path: longer }, longer.slice(0, 100), ""]);
    assert.deepEqual(named(utf8(`n${long}`)), [{ path: `n${long}` }, `n${long}`.slice(0, 100), ""]);
    const directory = `${"d".repeat(60)}/${"e".repeat(60)}`;
    assert.deepEqual(named(utf8(directory), { type: "directory" }), [undefined, `${"e".repeat(60)}/`, "d".repeat(60)]);
    assert.deepEqual(named(utf8(long), { type: "directory" }), [{ path: `${long}/` }, long, ""]);
    assert.deepEqual(named(new Uint8Array(0), { type: "directory" }), [undefined, "./", ""]);
    const umlaut = Buffer.from("ä").toString("latin1");
    assert.deepEqual(named(utf8("ä")), [{ path: umlaut }, umlaut, ""]);
    assert.deepEqual(named(Uint8Array.of(0xff, 0x0a)), [{ hdrcharset: "BINARY", path: "\u00FF\n" }, "\u00FF\n", ""]);
    assert.deepEqual(named(utf8("a"), { type: "symbolic-link", linkTarget: utf8(`l${long}`) }), [
      { linkpath: `l${long}` },
      "a",
      "",
    ]);
    assert.deepEqual(named(utf8("a"), { userName: "ä", groupName: "g".repeat(32) }), [
      { uname: umlaut, gname: "g".repeat(32) },
      "a",
      "",
    ]);
  });

  test("keep extended attributes byte for byte, and access control lists as text too", () => {
    const list = Buffer.from("0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff", "hex");
    const attributes = [
      { name: utf8("user.a=b%c"), value: Uint8Array.of(0, 0x0a, 0xff, 0x3d) },
      { name: utf8("system.posix_acl_access"), value: new Uint8Array(list) },
      { name: Uint8Array.of(0x75, 0x2e, 0xfe), value: new Uint8Array(0) },
    ];
    assert.deepEqual(recordsOf(encodeTarHeaders(member({ attributes }))), {
      "SCHILY.xattr.user.a%3Db%25c": "\u0000\n\u00FF=",
      "SCHILY.acl.access": "user::rw-,user:1000:r--,group::r--,mask::r--,other::---",
      "SCHILY.xattr.system.posix_acl_access": list.toString("latin1"),
      "SCHILY.xattr.u.\u00FE": "",
    });
  });

  test("count the length of a record with its own digits", () => {
    for (let length = 1; length < 1_200; length++) {
      const path = utf8("ä".padEnd(length, "n"));
      assert.deepEqual(recordsOf(encodeTarHeaders(member({ path })))?.["path"], Buffer.from(path).toString("latin1"));
    }
  });

  test("are those of the example in the documentation", () => {
    const example = member({
      path: concatBytes(utf8("caf"), Uint8Array.of(0xe9)),
      modified: { seconds: 1_700_000_000, nanoseconds: 5 },
    });
    const headers = encodeTarHeaders(example);
    const records = workedExample("export-tar.md");
    assert.deepEqual(headers.slice(TAR_BLOCK_BYTES, TAR_BLOCK_BYTES + records.length), records);
    assert.equal(Number.parseInt(textOf(headers.subarray(124, 135)), 8), records.length);
  });

  const python = spawnSync("python3", ["-c", "import tarfile"]).status === 0;
  test("mean the same to another program", { skip: !python && "needs Python 3" }, () => {
    const members = [
      member({ sizeBytes: 9 * 1024 ** 3 }),
      member({ type: "hard-link", linkTarget: utf8("ä".repeat(90)) }),
      member({
        type: "fifo",
        path: Uint8Array.of(0xff),
        modified: { seconds: -2, nanoseconds: 500_000_000 },
        userId: 4_000_000_000,
      }),
    ];
    // The content of the first would follow it; a reader that only looks at headers can be told to pass it by.
    const script = `
import io, sys, tarfile
out = []
for block in sys.stdin.buffer.read().split(b"--member--"):
    if block:
        m = tarfile.open(fileobj=io.BytesIO(block), mode="r:", ignore_zeros=True, errorlevel=0).next()
        out.append((m.name.encode("utf-8", "surrogateescape").hex()[:8], m.type.decode(), m.size, m.linkname, m.mtime, m.uid, m.uname))
print(out)`;
    const input = Buffer.concat(members.flatMap((each) => [encodeTarHeaders(each), Buffer.from("--member--")]));
    const { stdout, stderr } = spawnSync("python3", ["-c", script], { input, encoding: "utf8" });
    assert.equal(stderr, "");
    assert.equal(
      stdout.trim(),
      `[('686f6d65', '0', 9663676416, '', 1700000000, 1000, 'ann'), ` +
        `('686f6d65', '1', 0, '${"ä".repeat(90)}', 1700000000, 1000, 'ann'), ` +
        `('ff', '6', 0, '', -1.5, 4000000000, 'ann')]`,
    );
  });
});

test("content is filled up to whole blocks, and the stream ends with two of zeros", () => {
  assert.deepEqual([0, 1, 511, 512, 513].map(tarPadding), [0, 511, 1, 0, 511]);
  assert.deepEqual(TAR_END, new Uint8Array(1024));
});

test("an access control list that is none has no text", () => {
  const cases = ["", "02000000", "02000000ff", "03000000", "0200000001000800ffffffff", "0200000003000600ffffffff"];
  assert.deepEqual(
    cases.map((hex) => accessControlText(new Uint8Array(Buffer.from(hex, "hex")))),
    Array<undefined>(6).fill(undefined),
  );
});
