// Against Ceph, a store that others wrote.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { equalBytes } from "../src/base/bytes.ts";
import { describeObjectStoreContract } from "../src/platform/object-store/object-store.contract.ts";
import { startCeph, whyNoCeph } from "./support/ceph.ts";
import type { Ceph } from "./support/ceph.ts";
import { describeObjectStorage } from "./support/object-storage.contract.ts";
import { openTestStore } from "./support/s3-store.ts";

const MIB = 1024 * 1024;

describe("Ceph", { skip: whyNoCeph }, () => {
  let ceph: Ceph;
  before(async () => {
    ceph = await startCeph();
  });
  after(() => ceph.stop());

  describeObjectStoreContract("an S3 store", () => openTestStore(ceph.endpoint));
  describeObjectStorage("a repository in it", () => ceph.endpoint);

  test("a large object is put in parts, and an upload that was not finished is found and removed", async () => {
    const store = openTestStore(ceph.endpoint, { partBytes: 5 * MIB });
    const bytes = Uint8Array.from({ length: 11 * MIB }, (_, index) => (index * 7) >> 3);
    assert.equal(await store.put("parts/large", bytes, { onlyIfAbsent: true }), true);
    assert.ok(equalBytes((await store.get("parts/large", bytes.length)) ?? new Uint8Array(), bytes));
    assert.equal(await store.copy("parts/large", "parts/copy"), true);
    assert.equal((await store.head("parts/copy"))?.sizeBytes, bytes.length);
    await assert.rejects(store.put("parts/other", { path: "/nowhere", sizeBytes: bytes.length }));
    assert.deepEqual(await store.pendingUploads("parts/"), []);
  });
});
