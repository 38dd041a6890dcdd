// Servers and clients that are made up, for tests of the command line.

import { HoldfastError } from "../../base/errors.ts";
import type { ServiceLibrary } from "../service-library.ts";

const KEY = "c5".repeat(32);
const ENROLLED_MS = Date.UTC(2026, 10, 20, 13, 3, 22);
const HOUR_MS = 3_600_000;

export interface FakeService extends ServiceLibrary {
  /** What was asked for, by name. */
  readonly calls: unknown[][];
}

/** `stop` is called as soon as something is served: nobody would end it otherwise. */
export function fakeService(stop: () => void, answers: Partial<ServiceLibrary> = {}): FakeService {
  const calls: unknown[][] = [];
  const enrolment = {
    url: "https://backup.example:7433",
    client: "hal",
    role: "append",
    repository: "00112233445566778899aabbccddeeff",
    serverKey: "5e".repeat(32),
    key: KEY,
    enrolledAtMs: ENROLLED_MS,
  } as const;
  const service: ServiceLibrary = {
    serve: ({ listen, metrics, log }) => {
      log({
        time: "2026-11-20T13:03:22.000Z",
        event: "request",
        client: "hal",
        method: "GET",
        path: "/v1/repository",
        status: 200,
      });
      stop();
      return Promise.resolve({ ...listen, serverKey: enrolment.serverKey, metrics, stop: () => Promise.resolve() });
    },
    inviteClient: ({ name, role, spanMs = HOUR_MS }) => {
      const token = `hfe1-${"0f".repeat(20)}-${enrolment.serverKey}`;
      return Promise.resolve({ name, role, token, serverKey: enrolment.serverKey, expiresAtMs: ENROLLED_MS + spanMs });
    },
    clients: () => {
      const client = { id: "0011223344556677", name: "hal", role: "append", key: KEY, enrolledAtMs: ENROLLED_MS } as const;
      const invitation = { clientId: "ff", name: "eva", role: "restore", createdAtMs: ENROLLED_MS } as const;
      return Promise.resolve({
        clients: [
          { ...client, name: "old", revokedAtMs: ENROLLED_MS + HOUR_MS },
          { ...client, revokedAtMs: undefined },
        ],
        invitations: [{ ...invitation, expiresAtMs: ENROLLED_MS + HOUR_MS }],
      });
    },
    revokeClient: () => Promise.resolve("client"),
    verifyAudit: () => {
      const head = { sequence: 17, hash: "ab".repeat(32) };
      return Promise.resolve({ records: 17, head, problems: [], problemCount: 0, recoveries: 0, tornBytes: 0 });
    },
    enrolAgent: ({ url }) => Promise.resolve({ ...enrolment, url }),
    enrolments: () => Promise.resolve([enrolment]),
    standing: () => Promise.reject(new HoldfastError("CLIENT_REVOKED", { message: 'The client "hal" was revoked' })),
    ...answers,
  };
  const recorded = Object.entries(service).map(([name, call]) => [
    name,
    (options: never) => {
      calls.push([name, options]);
      return (call as (given: never) => unknown)(options);
    },
  ]);
  return { ...(Object.fromEntries(recorded) as ServiceLibrary), calls };
}
