// A real object store for tests: Ceph with its S3 gateway, from Debian's packages, on this machine alone, everything in memory. Four
// processes of about 1 GB together, ready in about ten seconds, gone when the test ends. Needs root.

import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { EpochMs } from "../../src/platform/clock.ts";
import { EMPTY_SHA256, signRequest } from "../../src/platform/object-store/sign-request.ts";
import { whyNot } from "./holdfast-process.ts";
import { S3_BUCKET, S3_CREDENTIALS, S3_REGION } from "./s3-server.ts";

const PROGRAMS = ["ceph-mon", "ceph-mgr", "ceph-osd", "radosgw", "ceph", "radosgw-admin", "monmaptool"];
const PATIENCE_MS = 120_000;

/** For `skip` of node:test: false, or why there is no Ceph to test with. */
export const whyNoCeph = whyNot({ root: true, tools: PROGRAMS });

export interface Ceph {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** With an empty bucket, S3_BUCKET. */
export async function startCeph(): Promise<Ceph> {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-ceph-"));
  const started: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const child of started) child.kill("SIGKILL");
    await Promise.all(started.map((child) => new Promise((resolve) => child.once("close", resolve))));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
    const id = randomUUID();
    const configuration = join(directory, "ceph.conf");
    writeFileSync(configuration, settings({ directory, id, monitorPort, gatewayPort }));
    for (const name of ["mon", "mgr", "osd", "run", "log"]) mkdirSync(join(directory, name));
    const run = (program: string, ...given: string[]): void => {
      execFileSync(program, ["-c", configuration, ...given], { stdio: "ignore", timeout: PATIENCE_MS });
    };
    const start = (program: string, ...given: string[]): void => {
      started.push(spawn(program, ["-c", configuration, "-f", ...given], { stdio: "ignore" }));
    };
    const map = join(directory, "map");
    run("monmaptool", "--create", "--clobber", "--fsid", id, "--addv", "a", `[v2:127.0.0.1:${monitorPort}]`, map);
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", map);
    start("ceph-mon", "-i", "a");
    start("ceph-mgr", "-i", "x");
    const disk = randomUUID();
    run("ceph", "osd", "new", disk, "0");
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk);
    start("ceph-osd", "-i", "0");
    start("radosgw", "-n", "client.rgw");
    const { accessKeyId, secretAccessKey } = S3_CREDENTIALS;
    const user = ["--uid", "test", "--display-name", "test", "--access-key", accessKeyId, "--secret-key", secretAccessKey];
    run("radosgw-admin", "-n", "client.rgw", "user", "create", ...user);
    const host = `127.0.0.1:${gatewayPort}`;
    await makeBucket(host);
    return { endpoint: `http://${host}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeBucket(host: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const request = { method: "PUT", path: `/${S3_BUCKET}`, query: {}, headers: { host }, contentSha256: EMPTY_SHA256 };
    const context = { credentials: S3_CREDENTIALS, region: S3_REGION, now: Date.now() as EpochMs };
    const { target, headers } = signRequest(request, context);
    const answer = await fetch(`http://${host}${target}`, { method: "PUT", headers }).catch((error: unknown) => error);
    if (answer instanceof Response && answer.ok) return;
    if (Date.now() > deadline) throw new Error("Ceph does not answer", { cause: answer });
    await sleep(200);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function settings(place: {
  readonly directory: string;
  readonly id: string;
  readonly monitorPort: number;
  readonly gatewayPort: number;
}): string {
  const { directory, id, monitorPort, gatewayPort } = place;
  return `
[global]
fsid = ${id}
mon host = v2:127.0.0.1:${monitorPort}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${directory}/run
admin socket = ${directory}/run/$name.$pid.asok
log file = ${directory}/log/$name.log
mon data avail crit = 1
mon data avail warn = 1
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
osd crush chooseleaf type = 0
[mon.a]
mon data = ${directory}/mon
[mgr.x]
mgr data = ${directory}/mgr
[osd.0]
osd data = ${directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
# Without it the gateway waits five minutes for a cluster that asks for no authentication.
ms mon client mode = crc
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
`;
}
