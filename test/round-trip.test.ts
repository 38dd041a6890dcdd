// A real system directory, backed up twice and restored from the second image, judged by rsync.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { test } from "node:test";
import { rsyncDifferences, shell } from "./support/compare-trees.ts";
import { Workplace, expectStatus, makeRepository, whyNot } from "./support/holdfast-process.ts";

const needs = { root: true, tools: ["rsync"] };

const small = ["/usr/share/doc", "/usr/lib/python3", "/etc"].find((path) => existsSync(path)) ?? "/etc";

test(`${small} restored from its second image is identical`, { skip: whyNot(needs) }, async () => {
  using work = new Workplace();
  // A copy: on a machine that is in use the original may change between backup and comparison.
  const copy = work.at("copy");
  mkdirSync(copy);
  shell("/", `rsync -aHAXS '${small}/' '${copy}/'`);
  using place = new Workplace();
  await makeRepository(place.at("repository"));
  const where = ["--repository", place.at("repository"), "--cache-directory", place.at("cache")];
  await expectStatus(0, ["backup", copy, ...where]);
  shell(
    copy,
    `find . -type f | head -200 | tail -20 | while read -r path; do echo changed >> "$path"; done; find . -type f | tail -20 | xargs -d '\\n' rm; chmod 700 .`,
  );
  await expectStatus(0, ["backup", copy, ...where]);
  await expectStatus(0, ["restore", "latest", "--target", place.at("restored"), ...where]);
  assert.deepEqual(rsyncDifferences(copy, place.at("restored", copy.slice(1))), []);
});
