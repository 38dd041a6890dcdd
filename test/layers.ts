// Who may import whom. The rooms stand in order from the ground up: a room may import from every step below its own,
// and only what the other room offers. ARCHITECTURE.md says what each room is for.

import { posix } from "node:path";

const STEPS: readonly (readonly string[])[] = [
  ["base"],
  ["platform", "model"],
  ["formats"],
  ["engine"],
  ["media"],
  ["repository", "catalog"],
  ["mail", "containers"],
  ["sources/files", "sources/imap"],
  ["client", "server", "restore", "duplication", "sync", "providers"],
  ["api"],
  ["service"],
  ["cli", "web"],
  ["main"],
];

/** Imports between rooms of one step, each with its reason. */
const NEIGHBOURS: readonly { readonly from: string; readonly to: string; readonly reason: string }[] = [];

/** Rooms that offer every file; the others offer the file named like the room (src/engine/engine.ts), and what stands below. */
const OPEN_ROOMS: readonly string[] = ["base", "platform", "model", "formats"];
const ALSO_OFFERED: Readonly<Record<string, readonly string[]>> = {
  media: ["volume.ts"],
  // Plain types, for whoever needs the contract and not the library; and what a worker thread runs, which must not load the rest.
  // Plain types, for whoever writes routes; what a connection needs of the world.
  service: ["route.ts", "world.ts"],
  api: ["types.ts", "services.ts", "worker.ts"],
};

/** Packages and the rooms that may use them, so that leaving one stays a change to one room. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@napi-rs/blake-hash": ["engine", "main"],
  koffi: ["platform", "main"],
};

/** May import anything, and nothing else may import them. */
const OUTSIDE = /^(?:test|bench|scripts)\/|^bin\/holdfast\.js$|\.(?:test|contract)\.ts$/;

/** Every breach of the rules in these files, given as path → source text; empty when all is well. */
export function findBreaches(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, source]) => {
    if (OUTSIDE.test(path)) return [];
    const room = roomOf(path);
    if (room === undefined) return [`${path}: no rule covers this file; put it into a room or add one to test/layers.ts`];
    return [...breachesOfFiles(path, room, source), ...breachesOfPackages(path, room, source)];
  });
}

function breachesOfFiles(path: string, room: string, source: string): string[] {
  return [...new Set(importedFiles(path, source))].flatMap((target) => {
    if (OUTSIDE.test(target)) return [`${path}: imports ${target}, which is for tests and tools only`];
    const targetRoom = roomOf(target);
    if (targetRoom === undefined) return [`${path}: imports ${target}, which no rule covers`];
    if (targetRoom === room) return [];
    if (!mayImport(room, targetRoom)) return [`${path}: ${room} may not import ${targetRoom} (${target})`];
    return isOffered(target, targetRoom) ? [] : [`${path}: imports ${target}, which is private to ${targetRoom}`];
  });
}

function breachesOfPackages(path: string, room: string, source: string): string[] {
  return importedPackages(source).flatMap((name) => {
    if (PACKAGES[name]?.includes(room)) return [];
    return [`${path}: ${room} may not use the package ${name} (see PACKAGES in test/layers.ts)`];
  });
}

function roomOf(path: string): string | undefined {
  return STEPS.flat().find((room) => path.startsWith(`src/${room}/`));
}

function mayImport(from: string, to: string): boolean {
  return stepOf(from) > stepOf(to) || NEIGHBOURS.some((rule) => rule.from === from && rule.to === to);
}

function stepOf(room: string): number {
  return STEPS.findIndex((step) => step.includes(room));
}

function isOffered(path: string, room: string): boolean {
  if (OPEN_ROOMS.includes(room)) return true;
  const offered = [`${posix.basename(room)}.ts`, ...(ALSO_OFFERED[room] ?? [])];
  return offered.some((file) => path === `src/${room}/${file}`);
}

/**
 * Every quoted relative path to a module counts, whatever stands around it: `import`, `import type`, `export … from`,
 * `import()`, or the URL of a worker thread. Without the ending the program would not start, so none goes unseen.
 */
function importedFiles(path: string, source: string): string[] {
  const quoted = withoutComments(source).matchAll(/["'`](\.{1,2}\/[^"'`\n]*\.[cm]?[jt]sx?)["'`]/g);
  return [...quoted].map(([, specifier = ""]) => posix.join(posix.dirname(path), specifier));
}

/** Packages in import statements, and known ones wherever they are quoted: a library loaded when needed stands in no statement. */
function importedPackages(source: string): readonly string[] {
  const code = withoutComments(source);
  const statements = code.matchAll(/\b(?:from|import)\s*\(?\s*["'](?!node:)((?:@[\w.-]+\/)?[\w-][\w.-]*)/g);
  const quoted = Object.keys(PACKAGES).filter((name) => code.includes(`"${name}"`));
  return [...new Set([...[...statements].map(([, name = ""]) => name), ...quoted])];
}

function withoutComments(source: string): string {
  return source.replaceAll(/^\s*(?:\/\/|\/\*|\*).*$/gm, "");
}
