// The server and its client as processes: what a person types, from the first start to the stop.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Workplace, expectStatus, makeRepository, startHoldfast } from "./support/holdfast-process.ts";
import { noise } from "./support/noise.ts";
import type { Outcome, Running } from "./support/holdfast-process.ts";

const timeout = 120_000;

interface Listening {
  readonly running: Running;
  readonly url: string;
  readonly serverKey: string;
}

async function serve(place: Workplace, words: readonly string[] = []): Promise<Listening> {
  const options = ["--repository", place.at("repository"), "--state", place.at("state"), "--json", ...words];
  const running = startHoldfast(["serve", "--listen", "127.0.0.1:0", ...options]);
  let text = "";
  running.process.stdout?.on("data", (piece: Buffer) => (text += piece.toString()));
  while (!text.includes('"listening"')) {
    const ended = await Promise.race([running.ended, once(running.process.stdout ?? assert.fail(), "data")]);
    if ("stderr" in ended) assert.fail(`${text}${ended.stderr}`);
  }
  const { url, serverKey } = JSON.parse(text.split("\n")[0] ?? "") as { readonly url: string; readonly serverKey: string };
  return { running, url, serverKey };
}

async function stopped({ running }: Listening, signal: NodeJS.Signals): Promise<Outcome> {
  running.process.kill(signal);
  return running.ended;
}

describe("holdfast serve", { timeout }, () => {
  test("lets a client in that was added, until it is revoked, and stops when it is told to", async () => {
    using place = new Workplace();
    await makeRepository(place.at("repository"));
    const server = await serve(place);
    const state = ["--state", place.at("state")];
    const env = { XDG_CONFIG_HOME: place.at("config") };
    const token = (await expectStatus(0, ["client", "add", "hal", "--quiet", ...state])).stdout.trim();
    await expectStatus(0, ["agent", "enrol", server.url, "-"], { env, input: token });
    assert.match((await expectStatus(0, ["agent", "status"], { env })).stdout, /hal +append +welcome/);
    const kept = place.at("config", "holdfast", "enrolments", `${server.url.slice("https://".length).replace(":", "_")}.json`);
    assert.equal(statSync(kept).mode & 0o777, 0o600);

    const again = await expectStatus(1, ["agent", "enrol", server.url, token], { env: { XDG_CONFIG_HOME: place.at("other") } });
    assert.match(again.stderr, /The token was used already\nhint: Ask for a new one/);
    await expectStatus(0, ["client", "revoke", "hal", ...state]);
    assert.match((await expectStatus(1, ["agent", "status"], { env })).stdout, /was revoked/);

    const { status, stdout } = await stopped(server, "SIGTERM");
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? ""), { event: "summary", exitStatus: 0 });
    const gone = await expectStatus(1, ["agent", "status"], { env });
    assert.match(gone.stdout, /Cannot reach the server/);

    assert.match((await expectStatus(0, ["audit", "verify", ...state])).stdout, /^Checked 8 records: the chain is whole\./);
    const log = place.at("state", "audit.jsonl");
    writeFileSync(log, readFileSync(log, "utf8").replace('"refused"', '"done"'));
    await expectStatus(1, ["audit", "verify", ...state]);
  });

  test("keeps its key when it is killed and started again, and shows another one when it is given one", async () => {
    using place = new Workplace();
    await makeRepository(place.at("repository"));
    const first = await serve(place);
    await stopped(first, "SIGKILL");
    const second = await serve(place);
    assert.equal(second.serverKey, first.serverKey);
    assert.equal((await stopped(second, "SIGINT")).status, 0);

    const pem = readFileSync(place.at("state", "identity.pem"), "utf8");
    const split = pem.indexOf("-----BEGIN CERTIFICATE");
    writeFileSync(place.at("key.pem"), pem.slice(0, split));
    writeFileSync(place.at("certificate.pem"), pem.slice(split));
    const given = ["--key", place.at("key.pem"), "--certificate", place.at("certificate.pem")];
    const elsewhere = await serve(place, ["--state", place.at("another state"), ...given]);
    assert.equal(elsewhere.serverKey, first.serverKey);
    assert.equal((await stopped(elsewhere, "SIGTERM")).status, 0);
  });

  test("takes a client's backups, shows it its images and gives it its files; others see nothing of that", async () => {
    using place = new Workplace();
    await makeRepository(place.at("repository"));
    const server = await serve(place);
    const client = async (name: string, role: string): Promise<Record<string, string>> => {
      const words = ["client", "add", name, "--role", role, "--quiet", "--state", place.at("state")];
      const env = { XDG_CONFIG_HOME: place.at(`config of ${name}`), XDG_CACHE_HOME: place.at(`cache of ${name}`) };
      await expectStatus(0, ["agent", "enrol", server.url, "-"], { env, input: (await expectStatus(0, words)).stdout.trim() });
      return { ...env, HOLDFAST_REPOSITORY: server.url };
    };
    const source = place.at("source");
    mkdirSync(source);
    writeFileSync(join(source, "letter"), "Dear Anna");
    writeFileSync(join(source, "picture"), noise(1, 3_000_000));

    const laptop = await client("laptop", "restore");
    const first = await expectStatus(0, ["backup", source], { env: laptop });
    assert.match(first.stdout, /^Made image [0-9a-f]{8} of laptop:/);
    await expectStatus(0, ["backup", source], { env: laptop });
    const images = JSON.parse((await expectStatus(0, ["images", "--json"], { env: laptop })).stdout) as {
      readonly images: readonly { readonly host: string }[];
    };
    assert.deepEqual(
      images.images.map(({ host }) => host),
      ["laptop", "laptop"],
    );
    assert.equal((await expectStatus(0, ["dump", "latest", join(source, "letter")], { env: laptop })).stdout, "Dear Anna");
    await expectStatus(0, ["restore", "latest", "--target", place.at("target")], { env: laptop });
    assert.deepEqual(readFileSync(join(place.at("target"), source, "picture")), readFileSync(join(source, "picture")));
    assert.match((await expectStatus(1, ["prune"], { env: laptop })).stderr, /Run it on the server/);

    const office = await client("office", "append");
    await expectStatus(0, ["backup", source], { env: office });
    const refused = await expectStatus(1, ["restore", "latest", "--target", place.at("other")], { env: office });
    assert.match(refused.stderr, /may not|does not allow|not allowed/);
    const stranger = await expectStatus(1, ["images"], { env: { ...office, XDG_CONFIG_HOME: place.at("nobody") } });
    assert.match(stranger.stderr, /no client of the server/);

    assert.equal((await stopped(server, "SIGTERM")).status, 0);
    const all = await expectStatus(0, ["verify", "--read-data", "--repository", place.at("repository")]);
    assert.match(all.stdout, /No damage/);
  });
});
