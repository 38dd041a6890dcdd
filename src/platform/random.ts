export interface Random {
  /** Cryptographically strong in production, seeded in tests. */
  bytes(count: number): Uint8Array;
}
