import { randomFillSync } from "node:crypto";
import type { Random } from "./random.ts";

/** The platform's cryptographic random numbers. */
export const systemRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
};
