import assert from "node:assert/strict";
import { test } from "node:test";
import { readProgramOutput, runShellCommand } from "./commands.ts";

async function read(argv: readonly string[]): Promise<{ text: string; ended: number | string }> {
  const command = readProgramOutput(argv);
  const pieces: Uint8Array[] = [];
  for await (const piece of command.output) pieces.push(piece);
  return { text: Buffer.concat(pieces).toString(), ended: await command.ended };
}

test("a program's output and exit status are given as they are", async () => {
  assert.deepEqual(await read([process.execPath, "-e", "process.stdout.write('a b'); process.exitCode = 3"]), {
    text: "a b",
    ended: 3,
  });
});

test("a program that a signal ends says which", { skip: process.platform === "win32" && "Windows has no signals" }, async () => {
  assert.deepEqual(await read(["sh", "-c", "kill -TERM $$"]), { text: "", ended: "was ended by SIGTERM" });
});

test("a program that does not exist is an outcome, not an exception", async () => {
  const { text, ended } = await read(["/nonexistent/program"]);
  assert.equal(text, "");
  assert.match(String(ended), /ENOENT/);
});

test("a shell command sees the environment it is given, and its status is returned", async () => {
  assert.equal(await runShellCommand('test "$HOLDFAST_HOOK" = before', { HOLDFAST_HOOK: "before" }), 0);
  assert.equal(await runShellCommand("exit 7", {}), 7);
});
