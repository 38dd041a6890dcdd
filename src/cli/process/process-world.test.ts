import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { processFiles } from "./process-files.ts";
import { TypedLine } from "./process-input.ts";

const PROGRAM = [process.execPath, resolve(import.meta.dirname, "../testing/program.ts")];
const QUOTED = PROGRAM.map((word) => `'${word}'`).join(" ");
const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
after(() => rmSync(directory, { recursive: true }));

/** Runs a shell command on a terminal of its own, types each answer when what it waits for has appeared, and gives all it showed. */
async function onTerminal(command: string, answers: readonly (readonly [string, string])[] = []) {
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: { ...process.env, HOLDFAST_REPOSITORY: "/backup", HOLDFAST_PASSPHRASE: "", TERM: "xterm" },
  });
  let shown = "";
  const waiting = [...answers];
  child.stdout.on("data", (piece: Buffer) => {
    shown += piece.toString();
    const [next] = waiting;
    if (next === undefined || !shown.includes(next[0])) return;
    waiting.shift();
    shown = shown.replace(next[0], `<${next[0]}>`);
    child.stdin.write(next[1]);
  });
  const status = await new Promise((settle) => child.on("close", settle));
  return { status, shown: shown.replaceAll("\r\n", "\n") };
}

const skip = without("script");

function without(program: string): string | false {
  return spawnSync(program, ["--version"]).status === 0 ? false : `the program ${program} is not installed`;
}

describe("on a real terminal", { skip, timeout: 60_000 }, () => {
  test("a passphrase is asked for and not shown", async () => {
    const typed = "sxz\u007f\u007fecret ü\u001b[A\r";
    const { status, shown } = await onTerminal(`${QUOTED} cat repository --json`, [["Passphrase: ", typed]]);
    assert.deepEqual({ status, shown }, { status: 0, shown: '<Passphrase: >\n{"passphrase":"secret ü"}\n' });
  });

  test("a passphrase is asked for although standard input and output lead elsewhere", async () => {
    const command = `echo list | ${QUOTED} cat repository --json 2>/dev/null | tr a-z A-Z`;
    const { shown } = await onTerminal(command, [["Passphrase: ", "typed\r"]]);
    assert.equal(shown, '<Passphrase: >\n{"PASSPHRASE":"TYPED"}\n');
  });

  test("Ctrl-C at the prompt ends it, and the terminal echoes again", async () => {
    const command = `${QUOTED} cat repository; echo status $?; stty -a | grep -o -- '[-]*echo ' | head -n 1`;
    const { shown } = await onTerminal(command, [["Passphrase: ", "abc\u0003"]]);
    assert.equal(shown, "<Passphrase: >\nholdfast: Interrupted\nstatus 130\necho \n");
  });

  test("a request to end is heard at the prompt, too", async () => {
    const { shown } = await onTerminal(`timeout --foreground 2 ${QUOTED} cat repository; echo status $?`);
    assert.match(shown, /^Passphrase: \n?holdfast: Interrupted\n+status 124\n$/);
  });

  test("Ctrl-C ends a listing, and nothing comes after", async () => {
    const command = `HOLDFAST_PASSPHRASE=x ${QUOTED} ls latest`;
    const { status, shown } = await onTerminal(command, [["/some/file", "\u0003"]]);
    assert.equal(status, 130);
    assert.match(shown, /holdfast: Interrupted\n$/);
  });

  test("the first Ctrl-C lets a backup end, and its progress line is gone", async () => {
    const command = `HOLDFAST_PASSPHRASE=x ${QUOTED} backup x`;
    const { status, shown } = await onTerminal(command, [["/some/file", "\u0003"]]);
    assert.equal(status, 130);
    assert(shown.includes("\r\u001b[KStopping. Ctrl-C once more ends at once.\n"), shown);
    assert.match(shown, /holdfast: The backup was interrupted\n$/);
  });

  test("the second Ctrl-C kills", async () => {
    const command = `HOLDFAST_PASSPHRASE=x ${QUOTED} backup stubborn`;
    const { status } = await onTerminal(command, [
      ["/some/file", "\u0003"],
      ["Stopping", "\u0003"],
    ]);
    assert.equal(status, 130);
  });
});

describe("without a terminal", { timeout: 60_000 }, () => {
  const environment = { ...process.env, HOLDFAST_REPOSITORY: "/backup", HOLDFAST_PASSPHRASE: "" };

  test("nobody is asked for a passphrase", { skip: without("setsid") }, () => {
    // In a session of its own, as under cron, there is no /dev/tty either.
    const { status, stderr } = spawnSync("setsid", ["--wait", ...PROGRAM, "images"], {
      env: environment,
      encoding: "utf8",
      input: "",
    });
    assert.deepEqual([status, stderr.split("\n")[0]], [2, "holdfast: No passphrase was given, and nobody can be asked"]);
  });

  test("a passphrase comes from a pipe and from a command", () => {
    const read = (words: string) =>
      spawnSync("bash", ["-c", `${QUOTED} cat repository --json ${words}`], { env: environment, encoding: "utf8" });
    assert.equal(read("--passphrase-file <(echo piped)").stdout, '{"passphrase":"piped"}\n');
    assert.equal(read("--passphrase-command 'printf %s\\\\n told; echo aside >&2'").stdout, '{"passphrase":"told"}\n');
  });

  test("a reader that stops reading ends the program quietly", () => {
    const script = `set -o pipefail; HOLDFAST_PASSPHRASE=x ${QUOTED} dump latest / | head -c 100000 | wc -c`;
    const { status, stdout, stderr } = spawnSync("bash", ["-c", script], { env: environment, encoding: "utf8" });
    assert.deepEqual({ status, stdout: stdout.trim(), stderr }, { status: 141, stdout: "100000", stderr: "" });
  });

  test("a full disk is noticed", { skip: process.platform === "linux" ? false : "there is no /dev/full" }, () => {
    const script = `HOLDFAST_PASSPHRASE=x ${QUOTED} dump latest / > /dev/full`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { env: environment, encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /ENOSPC/);
  });
});

test("a typed line knows the keys that people use in it", () => {
  const typed = (text: string): readonly [string, string | undefined] => {
    const line = new TypedLine();
    const end = line.add(text);
    return [line.text, end];
  };
  assert.deepEqual(typed("abc\r"), ["abc", "entered"]);
  assert.deepEqual(typed("wrong\u0015right\n"), ["right", "entered"]);
  assert.deepEqual(typed("\u007fa\u0008b"), ["b", undefined]);
  assert.deepEqual(typed("a\u001b[3~\u001b[1;5Cb\u0004"), ["ab", "entered"]);
  assert.deepEqual(typed("a\u0003b"), ["a", "interrupted"]);
  assert.deepEqual(typed("👍\u007fx\r"), ["x", "entered"]);
});

describe("files are compared", () => {
  const files = processFiles();
  const bytes = (path: string): Uint8Array => new TextEncoder().encode(path);
  let count = 0;
  function place(make: (path: string) => void): Uint8Array {
    const path = join(directory, `entry-${count++}`);
    make(path);
    return bytes(path);
  }
  function file(content: string | Uint8Array, mode = 0o644): Uint8Array {
    return place((path) => {
      writeFileSync(path, content, { mode });
      utimesSync(path, 1000, 1000);
    });
  }

  test("by everything but their owners", async () => {
    const original = file("same");
    const compare = (copy: Uint8Array) => files.compareEntries(original, copy).then(({ differences }) => differences);
    assert.deepEqual(await compare(file("same")), []);
    assert.deepEqual(await compare(file("s4me")), ["content"]);
    assert.deepEqual(await compare(file("longer")), ["content"]);
    assert.deepEqual(await compare(file("same", 0o600)), ["mode"]);
    assert.deepEqual(await compare(place((path) => mkdirSync(path))), ["kind"]);
    assert.deepEqual(await compare(bytes(join(directory, "missing"))), ["copy missing"]);
    const gone = await files.compareEntries(bytes(join(directory, "missing")), original);
    assert.deepEqual(gone, { differences: ["original missing"], originalModifiedSeconds: undefined });
    assert.equal((await files.compareEntries(original, original)).originalModifiedSeconds, 1000);
  });

  test("to the last byte of large ones", async () => {
    const content = Buffer.alloc(3 * 1024 * 1024 + 17, 7);
    const original = file(content);
    content[content.length - 1] = 8;
    assert.deepEqual((await files.compareEntries(original, file(content))).differences, ["content"]);
  });

  test("without following links", async () => {
    const link = place((path) => symlinkSync("nowhere", path));
    const other = place((path) => symlinkSync("elsewhere", path));
    assert((await files.compareEntries(link, other)).differences.includes("target"));
  });

  test("in a temporary directory that goes with all that is in it", async () => {
    const path = await files.makeTemporaryDirectory();
    mkdirSync(join(path, "a"), { mode: 0o500 });
    await files.removeDirectory(path);
    await assert.rejects(files.read(join(path, "a")), { code: "ENOENT" });
  });
});
