// Backs up a real system directory twice, restores it from the second image, and lets rsync judge: `npm run round-trip -- /usr`.
// It takes minutes and as much space again as the directory has, so it is a programme and not a test.

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { rsyncDifferences } from "../support/compare-trees.ts";
import { Workplace, expectStatus, makeRepository, whyNot } from "../support/holdfast-process.ts";

async function roundTrip(source: string): Promise<readonly string[]> {
  using place = new Workplace();
  await makeRepository(place.at("repository"));
  const where = ["--repository", place.at("repository"), "--cache-directory", place.at("cache")];
  // The first image holds a part, so that the second takes some from it and reads the rest.
  const parts = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const half = parts.slice(0, Math.ceil(parts.length / 2)).map(({ name }) => join(source, name));
  if (half.length > 0) await expectStatus(0, ["backup", ...half, ...where]);
  await expectStatus(0, ["backup", source, ...where]);
  await expectStatus(0, ["restore", "latest", "--target", place.at("restored"), "--verify", ...where]);
  const differences = rsyncDifferences(source, place.at("restored", source.slice(1)));
  rmSync(place.at("restored"), { recursive: true });
  await expectStatus(0, ["verify", "--read-data", ...where]);
  return differences;
}

const source = process.argv[2] ?? "/usr";
const missing = whyNot({ root: true, tools: ["rsync"] });
if (missing !== false) throw new Error(`Cannot judge a round trip: ${missing}`);
const differences = await roundTrip(source);
for (const difference of differences) console.error(difference);
console.log(`round trip of ${source}: ${differences.length} differences`);
process.exitCode = differences.length === 0 ? 0 : 1;
