// The whole way: a repository behind a real server, and clients that reach it over TLS.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PASSPHRASE, temporaryRepository } from "../../test/support/temporary-repository.ts";
import { openRemote, openToServe } from "../api/api.ts";
import { fill } from "../api/remote/served-harness.contract.ts";
import type { Repository } from "../api/types.ts";
import type { Role } from "../model/rights.ts";
import { delay } from "../platform/delay.ts";
import { repositoryRoutes } from "./repository-routes.ts";
import { testService } from "./service-harness.contract.ts";
import type { TestService } from "./service-harness.contract.ts";

interface Network extends AsyncDisposable {
  readonly t: Awaited<ReturnType<typeof temporaryRepository>>;
  readonly service: TestService;
  client(name: string, role: Role): Promise<Repository>;
}

async function network(): Promise<Network> {
  const t = await temporaryRepository();
  fill(t);
  const served = await openToServe(t.services, { repository: t.path, passphrase: () => PASSPHRASE, cacheDirectory: t.cache });
  const service = await testService({ routes: repositoryRoutes(served), repositoryId: t.repository.id });
  const clients: Repository[] = [];
  return {
    t,
    service,
    client: async (name, role) => {
      const connection = service.connect(await service.client(name, role));
      const cacheDirectory = join(t.directory, `cache-${name}`);
      const repository = await openRemote(t.services, { location: service.url, connection, delay, cacheDirectory, threads: 2 });
      clients.push(repository);
      return repository;
    },
    async [Symbol.asyncDispose]() {
      for (const repository of clients) await repository.close();
      await service[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
      await t[Symbol.asyncDispose]();
    },
  };
}

test("a client backs up over TLS and gets everything back; the audit log tells of the backup and not of each block", async () => {
  await using n = await network();
  const laptop = await n.client("laptop", "restore");
  const report = await laptop.backup({ paths: [n.t.source] });
  assert.deepEqual([report.problemCount, report.notices], [0, []]);
  const target = join(n.t.directory, "target");
  const restored = await laptop.restore({ image: "latest", target });
  assert.deepEqual([restored.problems, restored.restoredFiles], [[], 63]);
  for (const name of ["medium", "large", "directory/small-7"]) {
    assert.deepEqual(readFileSync(join(target, n.t.source, name)), readFileSync(join(n.t.source, name)), name);
  }
  assert.deepEqual((await n.t.repository.verify({ readData: 1 })).damages, []);
  const actions = n.service.audit().map(({ action }) => action);
  assert.equal(actions.filter((action) => action.includes("/v1/backups")).length, 2, actions.join(", "));
});

test("a client that may only append sees its images, goes on from them, and reads no content", async () => {
  await using n = await network();
  const laptop = await n.client("laptop", "append");
  await laptop.backup({ paths: [n.t.source] });
  const second = await laptop.backup({ paths: [n.t.source] });
  assert.notEqual(second.baseImageId, undefined);
  assert.equal((await laptop.images()).length, 2);
  const target = join(n.t.directory, "target");
  await assert.rejects(laptop.restore({ image: "latest", target }), { code: "ACCESS_DENIED" });
  const dump = async (): Promise<void> => {
    for await (const _ of laptop.dump("latest", join(n.t.source, "large"))) assert.fail("content was given");
  };
  await assert.rejects(dump(), { code: "ACCESS_DENIED" });
});
