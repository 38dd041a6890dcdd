import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { ObjectFiles } from "../platform/object-files.ts";
import { asynchronous, MemoryObjects } from "../platform/object-store/memory-objects.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { createDirectoryVolume, openDirectoryVolume } from "./directory-volume.ts";
import { isTemporaryName, temporaryNames } from "./publish.ts";
import { describeVolumeContract, pattern } from "./volume.contract.ts";

const work = mkdtempSync(join(tmpdir(), "holdfast-object-volume-"));
after(() => rmSync(work, { recursive: true }));
let counter = 0;

describeVolumeContract("volume in an object store", async () => {
  const store = new MemoryObjects(systemClock);
  const files = new ObjectFiles({
    root: "s3://bucket",
    blocking: store,
    waiting: asynchronous(store),
    local: nodeFiles(),
    spoolDirectory: join(work, "spool"),
    keptDirectory: join(work, "kept"),
    isKept: () => false,
    isTemporary: isTemporaryName,
    random: systemRandom,
  });
  const path = `s3://bucket/volume ${counter++}`;
  const names = temporaryNames("0011223344556677", seededRandom(path));
  const label = { id: pattern(16, 2), repositoryId: pattern(16, 1), createdAtMs: 1_000, name: "main" };
  await createDirectoryVolume({ files, path, ...label, temporaryNames: names });
  return openDirectoryVolume({ files, path, repositoryId: label.repositoryId, temporaryNames: names });
});
