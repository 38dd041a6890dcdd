// A repository as a server offers it to its clients. Questions and answers are the messages of docs/formats/exchange.md; `client` is the name by
// which the server knows whoever asks.

export interface ServedRepositoryOptions {
  /** So many backups go on at a time; whoever comes then is told to come again. 16 unless given. */
  readonly backupsAtOnce?: number;
  /** A backup of which nothing comes for so long is given up. A quarter of an hour unless given. */
  readonly patienceMs?: number;
}

export interface ServedRepository extends AsyncDisposable {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly location: string;
  /** Damage that did not prevent opening. */
  readonly problems: readonly Error[];

  /** What a client needs to take part. */
  describe(client: string): Uint8Array;
  /** The client's own images, oldest first. */
  images(client: string): Promise<Uint8Array>;
  /** A page with the grants of what it refers to. ACCESS_DENIED without a grant of its own. */
  page(client: string, question: Uint8Array): Promise<Uint8Array>;
  /** Plain segments, one zstd frame of all. ACCESS_DENIED when one of them was not granted. */
  segments(client: string, question: Uint8Array): Promise<Uint8Array>;

  /** REPOSITORY_LOCKED when too many go on already. */
  beginBackup(client: string, request: Uint8Array): Promise<Uint8Array>;
  /** Messages of the backup stream; `number` counts up from 1. Harmless when repeated. */
  receive(client: string, backup: string, number: number, batch: Uint8Array): Promise<Uint8Array>;
  /** What of an offer is wanted, one state for each fingerprint. */
  offer(client: string, backup: string, fingerprints: Uint8Array): Uint8Array;
  /** 1 for each segment whose possession is believed, else 0. */
  prove(client: string, backup: string, proofs: Uint8Array): Promise<Uint8Array>;
  /** Stores a block of segments. Harmless when repeated. */
  store(client: string, backup: string, block: Uint8Array): Promise<void>;
  /** Committed or not. Harmless when repeated. */
  endBackup(client: string, backup: string): Promise<Uint8Array>;
  /** Gives up backups of which nothing comes any more. */
  endIdle(): Promise<void>;
}
