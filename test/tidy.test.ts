// Rules that concern the repository as a whole and that no linter knows.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { repositoryFiles, root } from "./repository-files.ts";

const { paths, skip } = repositoryFiles();

describe("the repository", { skip }, () => {
  test("names no place outside of itself", () => {
    // Pieced together, so that this file does not name them either.
    const places = [["..", "shared"].join("/"), ["(?<![\\w.~-])", "work", ""].join("/")].map((place) => new RegExp(place));
    const found = filesWith((text) => places.some((place) => place.test(text)));
    assert.deepEqual(
      found.filter((path) => path !== ".ci/run"),
      [],
    );
  });

  test("leaves the choice of the package registry to npm's configuration", () => {
    const host = new RegExp(["registry", "(npmjs|yarnpkg|npmmirror)"].join("\\."));
    assert.deepEqual(
      filesWith((text) => host.test(text)),
      [],
    );
    assert.doesNotMatch(read("package-lock.json"), /"resolved":/);
  });

  test("takes the present time from a Clock", () => {
    // The linter finds Date.now(); it has no rule for this.
    const sources = paths.filter((path) => /^src\/(?!platform\/)/.test(path) && !/\.(test|contract)\.ts$/.test(path));
    assert.deepEqual(
      sources.filter((path) => /\bnew Date\(\s*\)|(?<!new )\bDate\(/.test(read(path))),
      [],
    );
  });

  test("says of every dependency what it does for us", () => {
    const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
    const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
    const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}));
    const described = read("docs/dependencies.md").split("\n");
    const missing = names.filter((name) => !described.some((line) => line.startsWith("|") && line.includes(`\`${name}\``)));
    assert.deepEqual(missing, []);
  });

  test("pins every dependency to one version", () => {
    const manifest = JSON.parse(read("package.json")) as Record<string, Record<string, string>>;
    const kinds = ["dependencies", "devDependencies", "optionalDependencies"];
    const loose = kinds
      .flatMap((kind) => Object.entries(manifest[kind] ?? {}))
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
    assert.deepEqual(loose, []);
  });

  test("pins, with its hash, every package that some platform needs", () => {
    // npm leaves a package out of the lockfile when the registry lacks it at that moment; then `npm ci` fails everywhere.
    type Locked = { integrity?: string } & Partial<
      Record<"dependencies" | "devDependencies" | "optionalDependencies", Record<string, string>>
    >;
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> };
    const unhashed = Object.keys(packages).filter((path) => path !== "" && packages[path]?.integrity === undefined);
    const wanted = Object.values(packages).flatMap((entry) => [
      ...Object.keys(entry.dependencies ?? {}),
      ...Object.keys(entry.optionalDependencies ?? {}),
      ...Object.keys(entry.devDependencies ?? {}),
    ]);
    const missing = wanted.filter((name) => packages[`node_modules/${name}`] === undefined);
    assert.deepEqual({ unhashed, missing }, { unhashed: [], missing: [] });
  });

  test("links only to documents that exist", () => {
    const broken = paths.filter((path) => path.endsWith(".md")).flatMap(brokenLinks);
    assert.deepEqual(broken, []);
  });
});

function brokenLinks(page: string): string[] {
  const prose = read(page).replaceAll(/^```.*?^```/gms, "");
  const targets = [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target = ""]) => target);
  const local = targets.filter((target) => !/^(?:[a-z]+:|#)/.test(target));
  return local
    .filter((target) => !existsSync(join(root, dirname(page), target.replace(/#.*$/, ""))))
    .map((target) => `${page}: ${target}`);
}

function filesWith(matches: (text: string) => boolean): string[] {
  return paths.filter((path) => matches(read(path)));
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
