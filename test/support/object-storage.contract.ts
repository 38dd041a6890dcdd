// What a repository in an object store must do, with the program as a person starts it.

import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { listAll } from "../../src/platform/object-store/object-store.ts";
import { assertSameTrees } from "./compare-trees.ts";
import { expectStatus, startHoldfast, whyNot, Workplace } from "./holdfast-process.ts";
import type { Outcome } from "./holdfast-process.ts";
import { noise } from "./noise.ts";
import { S3_BUCKET, S3_CREDENTIALS, S3_REGION } from "./s3-server.ts";
import { openTestStore } from "./s3-store.ts";

const MIB = 1024 * 1024;
let repositories = 0;

/** A tree to be backed up, and a repository of its own in the bucket. */
class Bench extends Workplace {
  readonly tree = this.at("tree");
  readonly prefix = `repository ${process.pid}-${repositories++}`;
  readonly repository = `s3://${S3_BUCKET}/${this.prefix}`;
  readonly endpoint: string;

  constructor(endpoint: string) {
    super();
    this.endpoint = endpoint;
    mkdirSync(`${this.tree}/many`, { recursive: true });
    for (let index = 0; index < 200; index++) writeFileSync(`${this.tree}/many/${index}`, noise(index, index * 37));
    writeFileSync(`${this.tree}/large`, noise(1, 3 * MIB));
    writeFileSync(`${this.tree}/grows`, "first\n");
  }

  change(): void {
    appendFileSync(`${this.tree}/grows`, "second\n");
    unlinkSync(`${this.tree}/large`);
    writeFileSync(`${this.tree}/other`, noise(2, 2 * MIB));
    renameSync(`${this.tree}/many/7`, `${this.tree}/seven`);
  }

  run(...words: string[]): Promise<Outcome> {
    return expectStatus(0, words, { env: this.env });
  }

  start(...words: string[]): ReturnType<typeof startHoldfast> {
    return startHoldfast(words, { env: this.env });
  }

  get env(): Readonly<Record<string, string>> {
    return {
      HOLDFAST_REPOSITORY: this.repository,
      HOLDFAST_S3_ENDPOINT: this.endpoint,
      AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
      AWS_REGION: S3_REGION,
      XDG_CACHE_HOME: this.at("cache"),
    };
  }

  /** As a machine that has never seen the repository. */
  forgetCache(): void {
    rmSync(this.at("cache"), { recursive: true, force: true });
  }

  async assertRestores(): Promise<void> {
    const target = this.at(`restored ${readdirSync(this.path).length}`);
    await this.run("restore", "latest", "--target", target);
    assertSameTrees(this.tree, `${target}${this.tree}`);
  }

  /** Below a directory of the repository. */
  async keys(directory: string): Promise<string[]> {
    const prefix = `${this.prefix}/${directory}/`;
    const objects = await listAll(openTestStore(this.endpoint), prefix);
    return objects.map(({ key }) => key.slice(prefix.length)).filter((key) => key !== "");
  }

  /** Names of temporary files, verdicts and sessions anywhere in the repository. */
  async leftovers(): Promise<string[]> {
    const objects = await listAll(openTestStore(this.endpoint), `${this.prefix}/`);
    return objects.map(({ key }) => key).filter((key) => key.includes(".tmp-") || /\/sessions\/./.test(key));
  }

  spooled(): string[] {
    const directory = this.at("cache", "holdfast", "object-store", "spool");
    if (!existsSync(directory)) return [];
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  }
}

/** `endpoint` gives the address once the tests run. */
export function describeObjectStorage(name: string, endpoint: () => string): void {
  describe(name, () => {
    test("a repository is made, filled, read, thinned out and checked by the same commands as on a disk", async () => {
      using b = new Bench(endpoint());
      await b.run("init");
      await b.run("backup", b.tree);
      b.change();
      await b.run("backup", b.tree);
      await b.assertRestores();
      const images = JSON.parse((await b.run("images", "--json")).stdout) as {
        readonly images: readonly { readonly id: string }[];
      };
      const ids = images.images.map(({ id }) => id);
      assert.equal(ids.length, 2);
      assert.match((await b.run("ls", "latest", `${b.tree}/many`)).stdout, /many\/199/);
      assert.match((await b.run("find", "seven")).stdout, /tree\/seven/);
      assert.match((await b.run("diff", ...ids)).stdout, /tree\/other/);
      assert.equal((await b.run("dump", "latest", `${b.tree}/grows`)).stdout, "first\nsecond\n");
      await b.run("forget", "--keep-last", "1");
      const before = await b.keys("volumes/main/containers");
      await b.run("prune", "--max-unused", "0");
      const after = await b.keys("volumes/main/containers");
      assert.ok(
        before.some((container) => !after.includes(container)),
        "something was removed",
      );
      await b.run("verify", "--read-data");
      b.forgetCache();
      await b.run("rebuild-index");
      await b.run("repair");
      b.forgetCache();
      await b.assertRestores();
      assert.deepEqual([await b.leftovers(), b.spooled()], [[], []]);
    });

    test("a place that has a repository already is refused, and one that has none is told from one that has", async () => {
      using b = new Bench(endpoint());
      const missing = await b.start("images").ended;
      assert.deepEqual([missing.status, /There is no repository/.test(missing.stderr)], [10, true]);
      await b.run("init");
      const again = await b.start("init").ended;
      assert.equal(again.status, 1);
      assert.match(again.stderr, /already/);
    });

    test("a passphrase is changed, and only the new one opens the repository", async () => {
      using b = new Bench(endpoint());
      await b.run("init");
      writeFileSync(b.at("new"), "another passphrase");
      await b.run("key", "change", "--new-passphrase-file", b.at("new"));
      assert.equal((await b.start("images").ended).status, 12);
      await b.run("images", "--passphrase-file", b.at("new"));
    });

    test("a backup that is killed leaves no image, and what it left is used by the next one or removed", async () => {
      using b = new Bench(endpoint());
      await b.run("init");
      await b.run("backup", b.tree);
      const [first] = await b.keys("volumes/main/images");
      // Enough for many containers: the first of them are there while it still reads.
      mkdirSync(b.at("huge"));
      for (let part = 0; part < 4; part++) writeFileSync(b.at("huge", String(part)), noise(100 + part, 50 * MIB));
      const stored = (await b.keys("volumes/main/containers")).length;
      const killed = b.start("backup", b.at("huge"));
      while ((await b.keys("volumes/main/containers")).length === stored) await setTimeout(20);
      killed.process.kill("SIGKILL");
      await killed.ended;
      assert.deepEqual(await b.keys("volumes/main/images"), [first]);
      assert.notDeepEqual(await b.leftovers(), []);
      await b.run("prune", "--max-unused", "0");
      await b.run("verify", "--read-data");
      await b.assertRestores();
      assert.deepEqual([await b.leftovers(), b.spooled()], [[], []]);
      assert.ok((await b.keys("volumes/main/containers")).length <= stored, "what the killed backup stored is gone");
    });

    test(
      "a writer on another machine that is taken for dead and lives publishes nothing any more",
      { skip: whyNot({ root: true, tools: ["unshare", "hostname"] }) },
      async () => {
        using b = new Bench(endpoint());
        await b.run("init");
        await b.run("backup", b.tree);
        // What it reads ends only when it is told to.
        const script = 'echo begun; touch "$1"; while [ ! -e "$2" ]; do sleep 0.05; done';
        const dump = [
          "backup",
          "--source",
          "dump",
          "--stdin-from-command",
          "--",
          "sh",
          "-c",
          script,
          "sh",
          b.at("begun"),
          b.at("end"),
        ];
        const under = ["unshare", "--uts", "sh", "-c", 'hostname laptop && exec "$@"', "sh"];
        const laptop = startHoldfast(dump, { env: b.env, under });
        while (!existsSync(b.at("begun"))) await setTimeout(10);
        await b.run("prune", "--assume-dead", "laptop");
        writeFileSync(b.at("end"), "");
        const { status, stderr } = await laptop.ended;
        assert.deepEqual([status, /taken for dead/.test(stderr)], [1, true], stderr);
        assert.equal((await b.keys("volumes/main/images")).length, 1);
        await b.run("prune");
        await b.run("verify", "--read-data");
        assert.deepEqual(await b.leftovers(), []);
      },
    );

    test("two backups at once both succeed, and both images can be restored", async () => {
      using b = new Bench(endpoint());
      await b.run("init");
      await Promise.all([b.run("backup", b.tree), b.run("backup", `${b.tree}/many`)]);
      assert.equal((await b.keys("volumes/main/images")).length, 2);
      await b.run("verify", "--read-data");
      assert.deepEqual(await b.leftovers(), []);
    });
  });
}
