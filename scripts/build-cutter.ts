// Compiles src/engine/cutter/cutter.as.ts to WebAssembly and writes it as text to src/engine/cutter-wasm.ts:
//   node scripts/build-cutter.ts
// The result is committed, so that nobody needs the compiler to run Holdfast; a test compiles again and compares.

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = new URL("../src/engine/cutter/cutter.as.ts", import.meta.url);
const target = new URL("../src/engine/cutter-wasm.ts", import.meta.url);

/** The module as it follows from the source. */
export async function compileCutter(): Promise<Uint8Array> {
  const { default: asc } = await import("assemblyscript/asc");
  let module: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      ...["cutter.as.ts", "--outFile", "cutter.wasm"],
      ...["--optimizeLevel", "3", "--shrinkLevel", "0", "--converge", "--noAssert", "--runtime", "stub"],
      ...["--enable", "simd", "--importMemory", "--initialMemory", "1"],
    ],
    {
      readFile: (name) => (name === "cutter.as.ts" ? readFileSync(source, "utf8") : null),
      writeFile: (name, contents) => {
        if (name === "cutter.wasm") module = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || module === undefined)
    throw new Error(`Cannot compile the cutter: ${stderr.toString()}`, { cause: error });
  return module;
}

/** The text of cutter-wasm.ts. */
export function textOfCutterModule(module: Uint8Array): string {
  const lines =
    Buffer.from(module)
      .toString("base64")
      .match(/.{1,100}/g) ?? [];
  return [
    "// Made by scripts/build-cutter.ts from cutter/cutter.as.ts. Do not edit.",
    "",
    "export const cutterModuleBase64 =",
    ...lines.map((line, position) => `  "${line}"${position === lines.length - 1 ? ";" : " +"}`),
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(target, textOfCutterModule(await compileCutter()));
}
