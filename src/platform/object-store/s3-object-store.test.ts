import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { S3_FAULTS, startS3Server } from "../../../test/support/s3-server.ts";
import type { S3Fault, S3Server, S3ServerOptions } from "../../../test/support/s3-server.ts";
import { openTestStore } from "../../../test/support/s3-store.ts";
import { seededRandom } from "../../engine/testing.ts";
import { utf8 } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { describeObjectStoreContract } from "./object-store.contract.ts";
import { listAll } from "./object-store.ts";

describe("over a store without faults", () => {
  let server: S3Server;
  before(async () => {
    server = await startS3Server();
  });
  after(() => server.stop());
  describeObjectStoreContract("an S3 store", () => openTestStore(server.endpoint));
  describeObjectStoreContract("an S3 store that is sent everything in parts", () =>
    openTestStore(server.endpoint, { partBytes: 5_000 }),
  );
});

for (const rate of [0.05, 0.3]) {
  describe(`over a store of whose answers ${rate * 100} % fail`, () => {
    let server: S3Server;
    before(async () => {
      server = await startS3Server({ faultOf: seededFaults(rate, `seed ${rate}`) });
    });
    after(() => server.stop());
    describeObjectStoreContract("an S3 store", () => openTestStore(server.endpoint, { silenceMs: 50 }));
  });
}

for (const fault of S3_FAULTS) {
  test(`after "${fault}" every call is made again, and has its effect once`, async () => {
    // Every second request fails, the first one among them.
    await withServer({ faultOf: ({ number }) => (number % 2 === 1 ? fault : undefined) }, async (server) => {
      const store = openTestStore(server.endpoint, { silenceMs: 50, partBytes: 1_000 });
      assert.equal(await store.put("a", utf8("first"), { onlyIfAbsent: true }), true);
      assert.equal(await store.put("a", utf8("second"), { onlyIfAbsent: true }), false);
      assert.deepEqual(await store.get("a", 10), utf8("first"));
      assert.deepEqual(await store.getRange("a", { offset: 1, length: 3 }), utf8("irs"));
      assert.equal((await store.head("a"))?.sizeBytes, 5);
      assert.equal(await store.copy("a", "b"), true);
      assert.equal(await store.put("large", new Uint8Array(2_500)), true);
      assert.equal((await store.head("large"))?.sizeBytes, 2_500);
      await store.remove("b");
      assert.deepEqual(await listAll(store, ""), [
        { key: "a", sizeBytes: 5 },
        { key: "large", sizeBytes: 2_500 },
      ]);
      const { retries } = await store.counts();
      assert.ok(retries > 0, "it was asked again");
    });
  });
}

test("an upload in parts that fails leaves nothing, and what a writer could not remove is found and removed", async () => {
  let failing: readonly string[] = ["PUT"];
  const faultOf: S3ServerOptions["faultOf"] = ({ method }) => (failing.includes(method) ? "500" : undefined);
  await withServer({ faultOf }, async (server) => {
    const store = openTestStore(server.endpoint, { partBytes: 1_000, patienceMs: 300 });
    const put = (): Promise<boolean> => store.put("large", new Uint8Array(5_000));
    await assert.rejects(put(), coded("REPOSITORY_WRITE_FAILED"));
    assert.deepEqual([await store.pendingUploads(""), await store.head("large")], [[], undefined]);
    failing = ["PUT", "DELETE"];
    await assert.rejects(put(), coded("REPOSITORY_WRITE_FAILED"));
    failing = [];
    const left = await store.pendingUploads("lar");
    assert.deepEqual(
      left.map(({ key }) => key),
      ["large"],
    );
    for (const upload of left) await store.abortUpload(upload);
    assert.deepEqual(await store.pendingUploads(""), []);
  });
});

describe("what a person can do is told", () => {
  test("about a key that the store does not know, and a secret that does not fit", async () => {
    await withServer({}, async ({ endpoint }) => {
      const unknown = openTestStore(endpoint, { credentials: { accessKeyId: "other", secretAccessKey: "x" } });
      const wrong = openTestStore(endpoint, { credentials: { accessKeyId: "AK", secretAccessKey: "wrong" } });
      await assert.rejects(unknown.list(""), told("PERMISSION_DENIED", /AWS_ACCESS_KEY_ID/));
      await assert.rejects(wrong.list(""), told("PERMISSION_DENIED", /AWS_SECRET_ACCESS_KEY/));
      // The answer to HEAD has no body: the reason is asked for.
      await assert.rejects(wrong.head("a"), told("PERMISSION_DENIED", /AWS_SECRET_ACCESS_KEY/));
    });
  });

  test("about a bucket that does not exist", async () => {
    await withServer({}, async ({ endpoint }) => {
      const store = openTestStore(endpoint, { bucket: "other" });
      await assert.rejects(store.list(""), told("REPOSITORY_MISSING", /Make the bucket "other"/));
      await assert.rejects(store.get("a", 1), told("REPOSITORY_MISSING", /Make the bucket "other"/));
    });
  });

  test("about a clock that is wrong", async () => {
    await withServer({ now: () => Date.now() + 3_600_000 }, async ({ endpoint }) => {
      await assert.rejects(openTestStore(endpoint).list(""), told("PERMISSION_DENIED", /The clock of this machine/));
    });
  });

  test("about a store that is not there, and one that stays busy", async () => {
    const gone = await startS3Server();
    await gone.stop();
    await assert.rejects(openTestStore(gone.endpoint, { patienceMs: 200 }).list(""), told("REPOSITORY_READ_FAILED", /network/));
    await withServer({ faultOf: () => "503" }, async ({ endpoint }) => {
      const store = openTestStore(endpoint, { patienceMs: 200 });
      await assert.rejects(store.put("a", utf8("x")), told("REPOSITORY_WRITE_FAILED", /busy/));
    });
  });
});

test("requests are counted by kind", async () => {
  await withServer({}, async ({ endpoint }) => {
    const store = openTestStore(endpoint);
    await store.put("a", utf8("12345"));
    await store.get("a", 10);
    await store.head("a");
    await store.list("");
    await store.copy("a", "b");
    await store.remove("a");
    const { receivedBytes, ...counts } = await store.counts();
    assert.deepEqual(counts, { put: 1, get: 1, head: 1, list: 1, copy: 1, delete: 1, retries: 0, sentBytes: 5 });
    assert.ok(receivedBytes > 5);
  });
});

async function withServer(options: S3ServerOptions, use: (server: S3Server) => Promise<void>): Promise<void> {
  const server = await startS3Server(options);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

function seededFaults(rate: number, seed: string): (request: { readonly method: string }) => S3Fault | undefined {
  const random = seededRandom(seed);
  return () => {
    const [chance = 0, kind = 0] = random.bytes(2);
    return chance < rate * 256 ? S3_FAULTS[kind % S3_FAULTS.length] : undefined;
  };
}

function coded(code: HoldfastError["code"]): (error: unknown) => boolean {
  return told(code, /./);
}

function told(code: HoldfastError["code"], hint: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HoldfastError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.hint ?? "", hint);
    return true;
  };
}
