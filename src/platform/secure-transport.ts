// How a client and a server of ours reach each other: TLS 1.3, each side with a certificate it made itself. Who somebody
// is, is the key they prove to have; names, dates and issuers in certificates mean nothing here.

/** A key and the certificate that presents it. */
export interface Identity {
  /** PEM, PKCS #8. */
  readonly privateKey: string;
  /** PEM; of a chain, its own certificate first. */
  readonly certificate: string;
}

/** The client's side: one server, several connections to it, made when needed and kept for the next request. */
export interface ServerConnection {
  /**
   * Sends one request and takes the whole answer. Network failures are HoldfastErrors with the code SERVER_UNREACHABLE, to be
   * tried again later; a server with another key than expected is SERVER_KEY_MISMATCH; an answer of more than `limitBytes` is
   * SERVER_ANSWER_INVALID. An aborted signal rejects with its reason; the server may have done what was asked all the same.
   */
  exchange(request: ServerRequest): Promise<ServerAnswer>;
  /** Ends all connections; requests under way fail. */
  close(): void;
}

export interface ServerRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly body?: Uint8Array;
  /** How long the answer may be. */
  readonly limitBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ServerAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

export interface ServerTarget {
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the public key the server must prove to have, as `keyFingerprint` gives it. */
  readonly serverKey: string;
  readonly identity: Identity;
}

export type ConnectToServer = (target: ServerTarget) => ServerConnection;
