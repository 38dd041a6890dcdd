// Opens the object store of a test.

import { setTimeout as sleep } from "node:timers/promises";
import { httpConnection } from "../../src/platform/object-store/http-exchange.ts";
import { S3ObjectStore } from "../../src/platform/object-store/s3-object-store.ts";
import type { Credentials } from "../../src/platform/object-store/sign-request.ts";
import { systemClock } from "../../src/platform/system-clock.ts";
import { systemRandom } from "../../src/platform/system-random.ts";
import { S3_BUCKET, S3_CREDENTIALS, S3_REGION } from "./s3-server.ts";

export interface TestStoreOptions {
  readonly bucket?: string;
  readonly credentials?: Credentials;
  readonly partBytes?: number;
  readonly patienceMs?: number;
  readonly silenceMs?: number;
}

/** Pauses between attempts are a tenth of what they are meant to be. */
export function openTestStore(endpoint: string, options: TestStoreOptions = {}): S3ObjectStore {
  const { hostname, port, host } = new URL(endpoint);
  const { bucket = S3_BUCKET, credentials = S3_CREDENTIALS, silenceMs, ...others } = options;
  const origin = { isSecure: false, host: hostname, port: Number(port) };
  return new S3ObjectStore({
    place: { origin, hostHeader: host, bucketInPath: true, bucket, region: S3_REGION, credentials },
    connection: httpConnection(origin, silenceMs),
    clock: systemClock,
    random: systemRandom,
    sleep: async (ms) => sleep(ms / 10),
    ...others,
  });
}
