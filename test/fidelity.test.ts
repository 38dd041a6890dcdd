// Everything that a file system can hold comes back as it was. The judges are rsync, find, getfattr and lsattr.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertSameTrees, dataExtents, shell } from "./support/compare-trees.ts";
import { Workplace, expectStatus, isRoot, makeRepository, whyNot } from "./support/holdfast-process.ts";

const RICH_TREE = join(import.meta.dirname, "support", "rich-tree.sh");

class Bench extends Workplace {
  get source(): string {
    return this.at("source");
  }

  async prepare(): Promise<void> {
    mkdirSync(this.source);
    await makeRepository(this.at("repository"));
  }

  words(...words: readonly string[]): string[] {
    return [...words, "--repository", this.at("repository"), "--cache-directory", this.at("cache")];
  }

  async backUp(): Promise<{ readonly imageId: string; readonly statistics: Readonly<Record<string, number>> }> {
    const { stdout } = await expectStatus(0, this.words("backup", "--json", this.source));
    const summary = stdout.trim().split("\n").at(-1) ?? "";
    return JSON.parse(summary) as Awaited<ReturnType<Bench["backUp"]>>;
  }

  /** Restores and returns where the source came to lie. */
  async restore(image: string, target: string, ...more: readonly string[]): Promise<string> {
    await expectStatus(0, this.words("restore", image, "--target", this.at(target), ...more));
    return this.at(target, this.source.slice(1));
  }
}

async function bench(): Promise<Bench> {
  const made = new Bench();
  await made.prepare();
  return made;
}

const rich = { skip: whyNot({ root: true, tools: ["bash", "perl", "find", "sha256sum"] }) };

test(
  "a tree with everything a file system can hold comes back as it was, from the first image and from the second",
  rich,
  async (t) => {
    using b = await bench();
    for (const line of shell(b.source, `bash '${RICH_TREE}'`).split("\n"))
      if (line !== "") t.diagnostic(`not made here: ${line}`);
    const first = await b.backUp();
    assert.equal(first.statistics["socketsSkipped"], 1);
    assertSameTrees(b.source, await b.restore(first.imageId, "first", "--verify"));

    shell(
      b.source,
      `chmod 4711 kinds/file; chown 99:98 kinds/empty; touch -d '2005-05-05 05:05:05.5' kinds/empty-directory; ln kinds/text links/new
     rm links/a/one; mv names/four names/five; echo more >> kinds/text; chmod u-s owners/setuid; rmdir flags/nodump-directory
     if command -v setfattr; then setfattr -n user.comment -v other attributes/user; setfattr -x user.on-directory attributes/directory; fi
     if command -v setfacl; then setfacl -b attributes/acl; setfacl -m d:u:5:r kinds/empty-directory; fi
     chattr -i flags/flag-i; rm kinds/fifo; mkdir kinds/fifo; rm -r kinds/empty-directory/..?* 2> /dev/null; true`,
    );
    const second = await b.backUp();
    assert.ok((second.statistics["filesUnchanged"] ?? 0) > 50, JSON.stringify(second.statistics));
    assertSameTrees(b.source, await b.restore(second.imageId, "second"));
  },
);

test("hard links between names that are not regular files stay links", rich, async () => {
  using b = await bench();
  shell(b.source, "ln -s target link; ln link same-link; mkfifo fifo; ln fifo same-fifo; mknod null c 1 3; ln null same-null");
  const { imageId } = await b.backUp();
  assertSameTrees(b.source, await b.restore(imageId, "restored"));
});

test("a restore over what is there makes it equal again, and removes what the image does not have", rich, async () => {
  using b = await bench();
  shell(b.source, `bash '${RICH_TREE}'`);
  const { imageId } = await b.backUp();
  const restored = await b.restore(imageId, "restored");
  shell(
    restored,
    `chattr -R -f -i -a flags; rm -r kinds/file links/a; mkdir kinds/file; echo new > kinds/file/in-the-way; echo other > kinds/text; rm kinds/empty; ln -s /etc kinds/empty
     chmod 777 modes/*; touch extra; mkdir -p extra-directory/deep; touch extra-directory/deep/file; rm -r times/directory; echo x > times/directory
     rm kinds/fifo; echo x > kinds/fifo; rm links/dangling; echo x > links/dangling; chown -R 5:5 owners; truncate -s 10 kinds/large; true`,
  );
  await b.restore(imageId, "restored", "--overwrite", "always", "--delete");
  assertSameTrees(b.source, restored);
});

test("paths over 4,096 bytes come back", { skip: whyNot({ tools: ["bash", "find"] }) }, async () => {
  using b = await bench();
  const name = "d".repeat(200);
  shell(
    b.source,
    `for i in $(seq 1 40); do mkdir ${name} && cd ${name} && echo level $i > file-$i && touch -d '2010-10-10 10:10:10.10' file-$i; done
     echo deep > deepest; ln deepest also; ln -s deepest link; mkfifo fifo; chmod 600 deepest`,
  );
  const { imageId } = await b.backUp();
  const restored = await b.restore(imageId, "restored");
  assertSameTrees(b.source, restored);
  assert.equal((await b.backUp()).statistics["others"], 1);
});

test(
  "a file over 4 GiB with holes comes back with its content and its holes",
  { skip: whyNot({ tools: ["perl"] }) },
  async () => {
    using b = await bench();
    const path = join(b.source, "large.img");
    const size = 5 * 1024 ** 3;
    const places = [0, 1024 ** 3, 2 ** 32 - 5_000, size - 70_000];
    const file = openSync(path, "w");
    ftruncateSync(file, size);
    for (const at of places) writeSync(file, Buffer.alloc(10_000, `at ${at} `), 0, 10_000, at);
    closeSync(file);
    const { imageId } = await b.backUp();
    const restored = join(await b.restore(imageId, "restored"), "large.img");
    assert.equal(lstatSync(restored).size, size);
    assert.deepEqual(dataExtents(restored), dataExtents(path));
    assert.deepEqual(digestOfData(restored), digestOfData(path));
  },
);

function digestOfData(path: string): string {
  const file = openSync(path, "r");
  const hash = createHash("sha256");
  for (const extent of dataExtents(path)) {
    const [at = 0, length = 0] = extent.split("+").map(Number);
    assert.ok(length < 64 * 1024 * 1024, `${path} has holes`);
    const bytes = Buffer.alloc(length);
    assert.equal(readSync(file, bytes, 0, length, at), length);
    hash.update(extent).update(bytes);
  }
  closeSync(file);
  return hash.digest("hex");
}

test("a directory of ten thousand names comes back", async () => {
  using b = await bench();
  for (let i = 0; i < 10_000; i++) writeFileSync(join(b.source, `${i}-${"x".repeat(i % 90)}`), i % 3 === 0 ? "" : `${i}`);
  const { imageId } = await b.backUp();
  assertSameTrees(b.source, await b.restore(imageId, "restored"));
});

test(
  "without root a tree of one's own comes back",
  {
    skip: whyNot({ tools: ["find", "sha256sum", ...(isRoot ? ["setpriv"] : [])] }),
  },
  async () => {
    using b = await bench();
    shell(
      b.source,
      `mkdir -p a/closed; echo one > a/one; ln a/one a/two; echo x > a/closed/file; ln -s one a/link; mkfifo a/fifo; chmod 400 a/one; mkdir a/empty
     touch -d '1960-01-01 00:00:00.5' a/empty; chmod 500 a/closed`,
    );
    chmodSync(b.path, 0o755);
    if (isRoot) shell(b.path, "chown -R 65534:65534 .");
    const under = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    const options = { under, env: { HOME: b.path } };
    await expectStatus(0, b.words("backup", b.source), options);
    await expectStatus(0, b.words("restore", "latest", "--target", b.at("restored")), options);
    const restored = b.at("restored", b.source.slice(1));
    assertSameTrees(b.source, restored);
    assert.equal(readFileSync(join(restored, "a", "two"), "utf8"), "one\n");
  },
);
