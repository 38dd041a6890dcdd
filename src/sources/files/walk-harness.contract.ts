// What the tests of the walk share: trees on disk, a walk that tells what it saw, file trees that misbehave.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { KIND_DIRECTORY, type FileTree } from "../../platform/file-tree.ts";
import { PatternList, SelectionBuilder, walkTree, type TreeWalk, type WalkOptions } from "./files.ts";

const temporary: string[] = [];
after(() => {
  // The system's own: Node's fails on paths beyond the platform's limit.
  for (const directory of temporary) spawnSync("rm", ["-rf", directory]);
});

/** Gone after the tests. `inMemory` for trees of many entries, which a disk takes long to make and to remove. */
export function temporaryDirectory({ inMemory = false } = {}): string {
  const directory = mkdtempSync(join(inMemory && existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "holdfast-walk-"));
  temporary.push(directory);
  return directory;
}

/** Makes what the paths name: "x/" a directory, "x -> y" a link, else an empty file. */
export function treeOf(...paths: readonly string[]): string {
  const root = temporaryDirectory();
  for (const path of paths) {
    const [name, target] = path.split(" -> ") as [string, string | undefined];
    const full = join(root, name);
    mkdirSync(path.endsWith("/") ? full : dirname(full), { recursive: true });
    if (target !== undefined) symlinkSync(target, full);
    else if (!path.endsWith("/")) writeFileSync(full, "");
  }
  return root;
}

export interface Walked {
  readonly paths: readonly string[];
  readonly ancestors: readonly string[];
  readonly problems: readonly string[];
  readonly notices: readonly string[];
  readonly walk: TreeWalk;
}

type Settings = Omit<Partial<WalkOptions>, "excludes" | "selection"> & { readonly excludes?: readonly string[] };

/** Paths below `root` in the order of the walk, directories with a "/", the root itself as "./". */
export function walkAll(tree: FileTree, root: string, selected: readonly string[], settings: Settings = {}): Walked {
  const builder = new SelectionBuilder(utf8(root));
  for (const path of selected) builder.addPath(utf8(path));
  const paths: string[] = [];
  const ancestors: string[] = [];
  const problems: string[] = [];
  const notices: string[] = [];
  const below = (path: string): string =>
    `/${path}` === root ? "." : `/${path}`.startsWith(`${root}/`) ? path.slice(root.length) : `/${path}`;
  const { excludes, ...rest } = settings;
  const walk = walkTree({
    tree,
    selection: builder.build(),
    excludes: new PatternList((excludes ?? []).map(utf8)),
    onProblem: ({ path, action, code }) => problems.push(`${below(textOf(path))} ${action} ${code}`),
    onNotice: ({ path, kind }) => notices.push(`${below(textOf(path))} ${kind}`),
    ...rest,
  });
  while (walk.next()) {
    const path = below(textOf(walk.path.subarray(0, walk.pathLength))) + (walk.stat.kind === KIND_DIRECTORY ? "/" : "");
    (walk.isAncestor ? ancestors : paths).push(path);
    const name = textOf(walk.path.subarray(walk.nameStart, walk.pathLength));
    if (walk.name.length > 0) assert.equal(textOf(walk.name), name);
  }
  assert.equal(walk.next(), false, "the end is final");
  return { paths, ancestors, problems, notices, walk };
}

/** `tree` with some of its calls replaced. */
export function replacing(tree: FileTree, calls: Partial<FileTree>): FileTree {
  return new Proxy(tree, {
    get(target, key): unknown {
      const replaced: unknown = Reflect.get(calls, key);
      if (replaced !== undefined) return replaced;
      const own: unknown = Reflect.get(target, key);
      return typeof own === "function" ? (own.bind(target) as unknown) : own;
    },
  });
}

/** Counts open handles. */
export function counting(tree: FileTree): { readonly tree: FileTree; readonly open: () => number; readonly most: () => number } {
  const open = new Set<number>();
  let most = 0;
  const opened = <H extends number>(handle: H): H => {
    open.add(handle);
    most = Math.max(most, open.size);
    return handle;
  };
  const counted = replacing(tree, {
    openDirectory: (path) => opened(tree.openDirectory(path)),
    openDirectoryAt: (directory, name) => opened(tree.openDirectoryAt(directory, name)),
    openFileAt: (directory, name) => opened(tree.openFileAt(directory, name)),
    close: (handle) => {
      assert.ok(open.delete(handle), "what is closed was open");
      tree.close(handle);
    },
  });
  return { tree: counted, open: () => open.size, most: () => most };
}

export const isName = (name: Uint8Array, text: string): boolean => textOf(name) === text;
