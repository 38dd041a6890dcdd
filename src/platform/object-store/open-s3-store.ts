import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../system-clock.ts";
import { systemRandom } from "../system-random.ts";
import { httpConnection } from "./http-exchange.ts";
import type { ObjectStore } from "./object-store.ts";
import { S3ObjectStore } from "./s3-object-store.ts";
import type { S3Place } from "./s3-object-store.ts";

export interface S3Settings {
  readonly place: S3Place;
  /** For so long nothing may move on a connection; a minute unless told. */
  readonly silenceMs?: number;
}

/** The store at this place, over the real network. */
export function openS3Store({ place, silenceMs }: S3Settings): ObjectStore {
  return new S3ObjectStore({
    place,
    connection: httpConnection(place.origin, silenceMs),
    clock: systemClock,
    random: systemRandom,
    sleep: async (ms) => sleep(ms),
  });
}
