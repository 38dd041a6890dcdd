// What a source is called, when nobody has named it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nameSource, selectionOf } from "./backup-source.ts";

function nameOf(paths: readonly string[], source?: string): string {
  const options = { paths, ...(source === undefined ? {} : { source }) };
  return nameSource(options, selectionOf(options, "/home/anna"), "hal").source;
}

function many(count: number, directory = "/srv/mail"): string[] {
  return Array.from({ length: count }, (_, i) => `${directory}/box${10_000 + i}/letter`);
}

describe("the name of a source", () => {
  test("is made of host and paths, or what the person says", () => {
    assert.equal(nameOf(["letters", "/etc"]), "hal:/etc,/home/anna/letters");
    assert.equal(nameOf(["/"]), "hal:/");
    assert.equal(nameOf(many(8)).split(",").length, 8);
    assert.equal(nameOf(many(3_000), "mail"), "mail");
  });

  test("stays short for thousands of paths, and is the same for the same paths in any order", () => {
    const name = nameOf(many(2_500));
    assert.match(name, /^hal:\/srv\/mail \(2500 paths, [0-9a-f]{12}\)$/);
    assert.equal(nameOf(many(2_500).toReversed()), name);
    assert.match(nameOf([...many(9), "/srv/mail-old"]), /^hal:\/srv \(10 paths, [0-9a-f]{12}\)$/);
    assert.match(nameOf([...many(9), "/etc"]), /^hal:\/ \(10 paths, [0-9a-f]{12}\)$/);
    const long = nameOf(many(9, `/${"long/".repeat(500)}end`));
    assert.ok(long.length < 260, `${long.length}`);
    assert.ok(nameOf([`/${"x".repeat(4_000)}`]).length < 260);
  });

  test("differs when one path does: retention judges the images of one name together", () => {
    const names = [many(2_500), many(2_501), [...many(2_499), "/srv/mail/box99999/letter"]].map((paths) => nameOf(paths));
    assert.equal(new Set(names).size, 3);
  });
});
