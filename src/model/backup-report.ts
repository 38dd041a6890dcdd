// What a backup did, as numbers that a person and a program can both use.

export interface BackupStatistics {
  filesNew: number;
  filesChanged: number;
  filesUnchanged: number;
  directories: number;
  symbolicLinks: number;
  /** FIFOs and devices. */
  others: number;
  /** Entries other than files that are new, or whose attributes have changed. */
  othersNew: number;
  othersChanged: number;
  /** Entries of the base image that are not there any more. */
  removed: number;
  /** Sum of the sizes of all files in the image. */
  sourceBytes: number;
  /** Sum of the sizes of files that are new or changed or to be read again. */
  bytesToRead: number;
  /** Sum of the sizes of files that did not have to be read. */
  bytesUnchanged: number;
  /** Bytes read from files. */
  bytesRead: number;
  /** Entries taken over from the base image by claim. */
  entriesClaimed: number;
  /** Claims that the receiving half did not accept; their entries were sent again. */
  claimsRefused: number;
  vanished: number;
  socketsSkipped: number;
  changedWhileRead: number;
  /** Unchanged by their attributes, read all the same. */
  rescanned: number;
  /** Of those: the content differed. */
  silentChanges: number;
}

export function newBackupStatistics(): BackupStatistics {
  return {
    filesNew: 0,
    filesChanged: 0,
    filesUnchanged: 0,
    directories: 0,
    symbolicLinks: 0,
    others: 0,
    othersNew: 0,
    othersChanged: 0,
    removed: 0,
    sourceBytes: 0,
    bytesToRead: 0,
    bytesUnchanged: 0,
    bytesRead: 0,
    entriesClaimed: 0,
    claimsRefused: 0,
    vanished: 0,
    socketsSkipped: 0,
    changedWhileRead: 0,
    rescanned: 0,
    silentChanges: 0,
  };
}

/** Something of the source that is not in the image, or not as it should be. */
export interface SourceProblem {
  /** Path as text, for people; bytes that are not UTF-8 are shown as U+FFFD. */
  readonly path: string;
  readonly action: "open" | "read" | "list" | "examine";
  /** The platform's code, such as EACCES. */
  readonly code: string;
}
