// Everything that reads bytes which are not ours to trust. A new decoder gets its target here.

import type { FuzzTarget } from "./target.ts";
import { EXCHANGE } from "./targets/exchange.ts";
import { FRAMES } from "./targets/frames.ts";
import { INDEX_RUNS } from "./targets/index-run.ts";
import { OTHERS } from "./targets/others.ts";
import { PAGES } from "./targets/pages.ts";
import { SEALED } from "./targets/sealed.ts";
import { SERVICE } from "./targets/service.ts";

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...FRAMES,
  ...PAGES,
  ...SEALED,
  ...INDEX_RUNS,
  ...OTHERS,
  ...SERVICE,
  ...EXCHANGE,
];
