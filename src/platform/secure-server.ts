// The server's side of a secure connection (secure-transport.ts). It asks everybody for a certificate and turns nobody away
// for having none, or one that nobody vouches for: the handshake proves that the peer has the key, and the fingerprint of the key
// goes with every request. What it may do is for others to say, anew for each request.

import { constants } from "node:crypto";
import { createServer } from "node:https";
import { TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";
import { serverOptions, startServing } from "./http-serving.ts";
import type { RunningServer, ServingOptions } from "./http-serving.ts";
import type { Identity } from "./secure-transport.ts";
import { identityFingerprint, keyFingerprint } from "./x509.ts";

export interface SecureServerOptions extends ServingOptions {
  readonly identity: Identity;
}

export interface SecureServer extends RunningServer {
  /** What clients pin: the fingerprint of the identity's key. */
  readonly serverKey: string;
}

export type StartSecureServer = (options: SecureServerOptions) => Promise<SecureServer>;

/** TLS 1.3 and HTTP/1.1. IDENTITY_INVALID, LISTEN_FAILED. */
export const startSecureServer: StartSecureServer = async (options) => {
  const { identity, limits } = options;
  const serverKey = identityFingerprint(identity);
  const server = createServer({
    ...serverOptions(limits),
    key: identity.privateKey,
    cert: identity.certificate,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: ["http/1.1"],
    requestCert: true,
    rejectUnauthorized: false,
    // No tickets, so no session is resumed: each connection proves the key anew.
    secureOptions: constants.SSL_OP_NO_TICKET,
    handshakeTimeout: limits.handshakeTimeoutMs,
  });
  const serving = await startServing(server, { ...options, peerKeyOf });
  return {
    serverKey,
    host: serving.host,
    port: serving.port,
    connections: () => serving.connections(),
    stop: () => serving.stop(),
  };
};

const peerKeys = new WeakMap<Duplex, string | undefined>();

/** Of the certificate in this connection's handshake. */
function peerKeyOf(socket: Duplex): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  if (!peerKeys.has(socket)) peerKeys.set(socket, presentedKey(socket));
  return peerKeys.get(socket);
}

function presentedKey(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : keyFingerprint(certificate.publicKey);
}
