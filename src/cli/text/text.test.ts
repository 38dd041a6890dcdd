import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../base/bytes.ts";
import { modeText } from "./entry-text.ts";
import { shortIdsOf, sourceText } from "./image-text.ts";
import { jsonText } from "./json.ts";
import { isShownAsIs, safePath, safeText } from "./safe-text.ts";
import { listLines, tableLines } from "./table.ts";
import { endThatFits, widthOf } from "./text-width.ts";
import { formatBytes, formatCount, formatDuration, formatRemaining, formatTime, isoTimeNanoseconds } from "./units.ts";

process.env["TZ"] = "Europe/Berlin";

describe("the name of a source", () => {
  test("is shown whole when it is short", () => {
    for (const source of ["mail", "hal:/etc,/home/anna", "hal:/srv/mail (2500 paths, 0123456789ab)"])
      assert.equal(sourceText(source), source);
  });

  test("of many paths shows the first and how many more there are, and is never longer than 72 columns", () => {
    const paths = Array.from({ length: 8 }, (_, i) => `/home/anna/letters/${i}`);
    assert.equal(sourceText(`hal:${paths.join(",")}`), "hal:/home/anna/letters/0 and 7 more");
    const long = sourceText(`hal:/${"x".repeat(200)}/end,/b`);
    assert.deepEqual([widthOf(long), long.slice(0, 10), long.slice(-15)], [72, "hal:...xxx", "/end and 1 more"]);
    assert.equal(widthOf(sourceText("x".repeat(1_000))), 72);
  });
});

describe("safe text", () => {
  test("shows what a terminal would obey as escapes", () => {
    assert.equal(safeText("a\u001b[2Jb\u0007\r\n\tc\u009b31m"), "a\\x1b[2Jb\\x07\\r\\n\\tc\\x9b31m");
  });

  test("shows marks that turn the direction of writing, and halves of characters", () => {
    assert.equal(safeText("report\u202efdp.exe\u2028\ud800"), "report\\u202efdp.exe\\u2028\\ud800");
  });

  test("leaves the letters of every language alone", () => {
    const names = "naïve – 日本語 – עברית – 👩‍👩‍👧 – \\x1b";
    assert.equal(safeText(names), names);
  });

  test("tells names apart that differ only in bytes which are not UTF-8", () => {
    const pathBytes = Uint8Array.from([...utf8("/é"), 0xff, 0xe2, 0x82, ...utf8("/\u001bx")]);
    assert.equal(safePath({ path: "/é\ufffd\ufffd/\u001bx", pathBytes }), "/é\\xff\\xe2\\x82/\\x1bx");
  });

  test("knows which text a terminal shows as it is", () => {
    assert.equal(isShownAsIs("one\n\ttwo\r\n"), true);
    assert.equal(isShownAsIs("\u001b[31m"), false);
    assert.equal(isShownAsIs("a\0b"), false);
  });
});

describe("JSON", () => {
  test("escapes what terminals obey and JSON.stringify does not", () => {
    const text = jsonText({ name: "\u001b\u009b\u007f\u2028\u202e" });
    assert.equal(text, '{"name":"\\u001b\\u009b\\u007f\\u2028\\u202e"}');
    assert.deepEqual(JSON.parse(text), { name: "\u001b\u009b\u007f\u2028\u202e" });
  });

  test("has a field for everything, and text for what JSON has no number for", () => {
    const value = {
      none: undefined,
      big: 2n ** 60n,
      bytes: Uint8Array.of(1, 255),
      buffer: Buffer.from("a"),
      map: new Map([["k", 1]]),
    };
    assert.equal(jsonText(value), '{"none":null,"big":"1152921504606846976","bytes":"01ff","buffer":"61","map":{"k":1}}');
  });
});

describe("the width of text", () => {
  test("counts columns, not characters", () => {
    assert.deepEqual(["abc", "é", "e\u0301", "日本", "👍", "ａ", "\u200bx"].map(widthOf), [3, 1, 1, 4, 2, 2, 1]);
  });

  test("keeps the end of what is too long", () => {
    assert.equal(endThatFits("/home/anna/letters", 12), "...a/letters");
    assert.equal(endThatFits("/日本語/日本語", 9), "...日本語");
    assert.equal(endThatFits("/日本語/日本語", 8), "...本語");
    assert.equal(endThatFits("short", 12), "short");
    assert.equal(endThatFits("abcdef", 2), "..");
  });

  test("aligns tables by columns", () => {
    assert.deepEqual(
      tableLines(
        [{ title: "NAME" }, { title: "SIZE", align: "right" }],
        [
          ["日本", "1"],
          ["a\u001b", "1,000"],
        ],
      ),
      ["NAME    SIZE", "日本       1", "a\\x1b  1,000"],
    );
    assert.deepEqual(
      listLines([
        ["a", "1"],
        ["long", "2"],
      ]),
      ["  a     1", "  long  2"],
    );
  });
});

describe("numbers for people", () => {
  test("sizes have one decimal and never four digits before it", () => {
    const sizes = [0, 1023, 1024, 1536, 1024 ** 2 - 1, 1024 ** 2, 5.25 * 1024 ** 3, 1024 ** 6 * 3];
    assert.deepEqual(sizes.map(formatBytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.3 GiB", "3.0 EiB"]);
  });

  test("counts are grouped by thousands", () => {
    assert.deepEqual([0, 999, 1000, 1234567].map(formatCount), ["0", "999", "1,000", "1,234,567"]);
  });

  test("durations are as exact as one wants to read them", () => {
    const durations = [0, 440, 59_940, 59_960, 125_000, 3_599_400, 3_600_000, 12_000_000, 360_000_000];
    assert.deepEqual(durations.map(formatDuration), [
      "0.0 s",
      "0.4 s",
      "59.9 s",
      "1 min 00 s",
      "2 min 05 s",
      "59 min 59 s",
      "1 h 00 min",
      "3 h 20 min",
      "100 h 00 min",
    ]);
  });

  test("remaining times count down to nought", () => {
    assert.deepEqual([0, 0.2, 59, 754, 3753].map(formatRemaining), ["0:00", "0:01", "0:59", "12:34", "1:02:33"]);
  });

  test("times are local, and survive years that no calendar has", () => {
    assert.equal(formatTime(Date.UTC(2026, 10, 20, 13, 3, 22)), "2026-11-20 14:03:22");
    assert.equal(formatTime(-1), "1970-01-01 00:59:59");
    assert.equal(formatTime(2 ** 50 * 1000), "@1125899906842624");
    assert.equal(isoTimeNanoseconds(-1, 5), "1969-12-31T23:59:59.000000005Z");
    assert.equal(isoTimeNanoseconds(2 ** 62, 0), undefined);
  });
});

test("modes are shown as ls shows them", () => {
  const modes = [modeText("file", 0o644), modeText("directory", 0o1777), modeText("file", 0o6755), modeText("fifo", 0o7000)];
  assert.deepEqual(modes, ["-rw-r--r--", "drwxrwxrwt", "-rwsr-sr-x", "p--S--S--T"]);
});

test("short ids are as long as it takes to tell them apart", () => {
  const ids = ["a".repeat(64), `${"a".repeat(10)}${"b".repeat(54)}`];
  const short = shortIdsOf(ids);
  assert.deepEqual(ids.map(short), ["aaaaaaaaaaa", "aaaaaaaaaab"]);
  assert.equal(shortIdsOf(["c".repeat(64)])("c".repeat(64)), "cccccccc");
});
