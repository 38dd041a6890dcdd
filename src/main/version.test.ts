import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { programVersion } from "./version.ts";

test("the version is that of package.json", () => {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  assert.match(manifest, new RegExp(`^  "version": "${programVersion()}",$`, "m"));
});
