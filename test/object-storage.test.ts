// A repository in an object store that fails now and then, as stores do.

import { after, before, describe } from "node:test";
import { seededRandom } from "../src/engine/testing.ts";
import { describeObjectStorage } from "./support/object-storage.contract.ts";
import { startS3Server } from "./support/s3-server.ts";
import type { S3Fault, S3Server } from "./support/s3-server.ts";

/** Those that show at once: a program waits a minute before it gives up a silent connection. */
const QUICK_FAULTS: readonly S3Fault[] = ["500", "503", "reset before", "reset after", "cut", "partial"];

describe("a store of whose answers 5 % fail", () => {
  let server: S3Server;
  before(async () => {
    const random = seededRandom("object storage");
    server = await startS3Server({
      faultOf: () => {
        const [chance = 0, kind = 0] = random.bytes(2);
        return chance < 0.05 * 256 ? QUICK_FAULTS[kind % QUICK_FAULTS.length] : undefined;
      },
    });
  });
  after(() => server.stop());

  describeObjectStorage("serves a repository as if it never failed", () => server.endpoint);
});
