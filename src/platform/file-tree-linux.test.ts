import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, realpathSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { openLinuxFileTree } from "./file-tree-linux.ts";
import { inPlace, withFile, withNewDirectory, type Place } from "./file-tree-place.contract.ts";

const root = realpathSync(tmpdir());
const place = (use: (place: Place) => void) => () => inPlace(openLinuxFileTree, root, use);

describe("Linux file tree", { skip: process.platform !== "linux" && "this is not Linux" }, () => {
  test(
    "reading a file and listing a directory leave their access times alone",
    place((here) => {
      const { tree, path } = here;
      withNewDirectory(here, "directory", (directory) => {
        tree.close(tree.createFileAt(directory, utf8("file"), 0o600));
      });
      writeFileSync(join(path, "file"), "content");
      // Older than the last change: the kernel's own economy (relatime) would bring it up to date.
      utimesSync(join(path, "file"), 1_000_000, 2_000_000);
      utimesSync(join(path, "directory"), 1_000_000, 2_000_000);
      withFile(here, "file", (handle) => tree.read(handle, new Uint8Array(10), 0));
      const directory = tree.openDirectoryAt(here.directory, utf8("directory"));
      assert.equal(tree.listDirectory(directory).count, 1);
      tree.close(directory);
      const accessed = ["file", "directory"].map((name) => lstatSync(join(path, name)).atimeMs);
      assert.deepEqual(accessed, [1_000_000_000, 1_000_000_000]);
    }),
  );

  test(
    "calls that fail leave no handle open",
    place(({ tree, path, directory }) => {
      const before = readdirSync("/proc/self/fd").length;
      mkdirSync(join(path, "directory"));
      symlinkSync("directory", join(path, "link"));
      const bad = [
        () => tree.openDirectory(utf8(`${path}/${"directory/../".repeat(800)}missing`)),
        () => tree.openDirectoryAt(directory, utf8("link")),
        () => tree.openFileForWritingAt(directory, utf8("link")),
        () => tree.openFileForWritingAt(directory, utf8("directory")),
        () => tree.setModeAt(directory, utf8("link"), 0o600),
      ];
      for (const call of bad) assert.throws(call);
      assert.equal(readdirSync("/proc/self/fd").length, before);
    }),
  );

  test("a file that another process holds a lease on is opened once the lease is given up", async () => {
    // The holder answers the kernel's signal after a while, as a file server does that must first ask its client.
    const holder = (path: string) => `
      const koffi = require(${JSON.stringify(createRequire(import.meta.url).resolve("koffi"))});
      const fcntl = koffi.load(null).func("int fcntl(int handle, int command, long value)");
      const handle = require("node:fs").openSync(${JSON.stringify(path)}, "r+");
      const SETLEASE = 1024, WRITE = 1, UNLOCK = 2;
      process.on("SIGIO", () => setTimeout(() => { fcntl(handle, SETLEASE, UNLOCK); process.exit(); }, 100));
      setTimeout(() => process.exit(), 20_000);
      console.log(fcntl(handle, SETLEASE, WRITE));`;
    const tree = openLinuxFileTree();
    const path = join(root, `holdfast-leased-${process.pid}`);
    const directory = tree.openDirectory(utf8(root));
    const name = utf8(`holdfast-leased-${process.pid}`);
    writeFileSync(path, "content");
    const child = spawn(process.execPath, ["-e", holder(path)], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const answer = await new Promise<string>((resolve) => child.stdout.once("data", (text) => resolve(String(text).trim())));
      assert.equal(answer, "0", "the lease is granted");
      const handle = tree.openFileAt(directory, name);
      const into = new Uint8Array(7);
      tree.read(handle, into, 0);
      tree.close(handle);
      assert.equal(textOf(into), "content");
    } finally {
      child.kill("SIGKILL");
      tree.removeAt(directory, name);
      tree.close(directory);
    }
  });
});
