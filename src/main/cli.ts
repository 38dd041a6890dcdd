import { programVersion } from "./version.ts";

// The program: importing this module runs it (bin/holdfast.js does).

const command = process.argv[2];
if (command === "version" || command === "--version") {
  process.stdout.write(`holdfast ${programVersion()}\n`);
} else {
  process.stderr.write("Usage: holdfast version\n");
  process.exitCode = 2;
}
