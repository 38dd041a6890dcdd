// What the sending half of a backup has of its own, whichever machine the repository is on.

import type { ImageDescription } from "../model/image.ts";
import type { Fingerprinters } from "./opened.ts";
import type { OtherHalf } from "./other-half.ts";
import type { Services } from "./services.ts";

export interface SendingSide {
  readonly services: Services;
  readonly cacheDirectory: string;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  /** Of a repository in a directory of this machine: it is left out of its own backups. */
  readonly repositoryPath: string | undefined;
  readonly fingerprinters: Fingerprinters;
  /** For the cutting by content. */
  readonly cutKey: Uint8Array;
  /** Of the fingerprints of file content. */
  readonly dataKey: Uint8Array;
  /** For track logs. */
  readonly trackLogKey: Uint8Array;
}

export interface BackupToReceive {
  readonly description: ImageDescription;
  /** False: what comes is new as a whole, such as the output of a command. */
  readonly withBases: boolean;
}

export type OpenOtherHalf = (backup: BackupToReceive) => Promise<OtherHalf>;
