import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { cacheDirectory, configDirectory, nodeHost } from "./node-host.ts";
import { systemClock } from "./system-clock.ts";
import { systemRandom } from "./system-random.ts";

test("the host knows this process to be alive and a finished one not", () => {
  const host = nodeHost();
  const finished = spawnSync(process.execPath, ["--version"]);
  assert.deepEqual(
    [host.isAlive(host.processId), host.isAlive(finished.pid), host.isAlive(0), host.isAlive(-1)],
    [true, false, false, false],
  );
});

test("the host has a name, a user, a processor and on Linux an identifier of this start", () => {
  const host = nodeHost();
  assert.ok(host.name && host.userName && host.processors >= 1);
  assert.equal(host.platform, process.platform);
  if (process.platform === "linux") assert.match(host.bootId, /^[0-9a-f-]{36}$/);
});

test("caches go where each platform keeps them", () => {
  const cases = [
    [cacheDirectory("linux", {}, "/home/ann"), "/home/ann/.cache/holdfast"],
    [cacheDirectory("linux", { XDG_CACHE_HOME: "/var/tmp/ann" }, "/home/ann"), "/var/tmp/ann/holdfast"],
    [cacheDirectory("linux", { XDG_CACHE_HOME: "relative" }, "/home/ann"), "/home/ann/.cache/holdfast"],
    [cacheDirectory("linux", {}, undefined), "/var/cache/holdfast"],
    [cacheDirectory("darwin", {}, "/Users/ann"), "/Users/ann/Library/Caches/holdfast"],
    [cacheDirectory("win32", { LOCALAPPDATA: "C:\\Users\\ann\\Local" }, "C:\\Users\\ann"), "C:\\Users\\ann\\Local\\holdfast"],
    [cacheDirectory("win32", {}, "C:\\Users\\ann"), "C:\\Users\\ann\\AppData\\Local\\holdfast"],
  ];
  for (const [found, expected] of cases) assert.equal(found, expected);
});

test("what a user has set up goes where each platform keeps it", () => {
  const cases = [
    [configDirectory("linux", {}, "/home/ann"), "/home/ann/.config/holdfast"],
    [configDirectory("linux", { XDG_CONFIG_HOME: "/srv/ann" }, "/home/ann"), "/srv/ann/holdfast"],
    [configDirectory("linux", { XDG_CONFIG_HOME: "relative" }, "/home/ann"), "/home/ann/.config/holdfast"],
    [configDirectory("linux", {}, undefined), "/etc/holdfast"],
    [configDirectory("darwin", {}, "/Users/ann"), "/Users/ann/Library/Application Support/holdfast"],
    [configDirectory("win32", { APPDATA: "C:\\Users\\ann\\Roaming" }, "C:\\Users\\ann"), "C:\\Users\\ann\\Roaming\\holdfast"],
    [configDirectory("win32", {}, "C:\\Users\\ann"), "C:\\Users\\ann\\AppData\\Roaming\\holdfast"],
  ];
  for (const [found, expected] of cases) assert.equal(found, expected);
});

test("elapsed time never goes back, and the time of day is in whole milliseconds", () => {
  const first = systemClock.elapsedMs();
  assert.ok(systemClock.elapsedMs() >= first);
  assert.ok(Number.isInteger(systemClock.now()));
});

test("random bytes are as many as asked for, and differ", () => {
  const [a, b] = [systemRandom.bytes(32), systemRandom.bytes(32)];
  assert.deepEqual([a.length, b.length, systemRandom.bytes(0).length], [32, 32, 0]);
  assert.notDeepEqual(a, b);
});
