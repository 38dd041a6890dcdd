// A machine that writes, is taken for dead, and lives: the whole course, with processes that see another host name.

import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { FaultyBench } from "./support/faulty-bench.ts";
import { expectStatus, startHoldfast, whyNot } from "./support/holdfast-process.ts";
import type { Running } from "./support/holdfast-process.ts";
import { noise } from "./support/noise.ts";

const MIB = 1024 * 1024;
const ON_LAPTOP = { under: ["unshare", "--uts", "sh", "-c", 'hostname laptop && exec "$@"', "sh"] };

class TwoMachines extends FaultyBench {
  readonly #content = this.at("content");
  readonly #goOn = this.at("go-on");
  readonly #hasRead = this.at("has-read");

  /** Content that the repository holds and no image needs. */
  async leaveUnneededContent(): Promise<void> {
    writeFileSync(this.#content, noise(5, 3 * MIB));
    await expectStatus(0, this.#dump("cat", this.#content));
    const [image] = await this.withRepository((repository) => repository.images({ source: "dump" }));
    await expectStatus(0, this.words("forget", image?.id ?? ""));
  }

  #dump(...command: readonly string[]): string[] {
    return [...this.words("backup", "--source", "dump", "--stdin-from-command"), "--", ...command];
  }

  /** On the laptop: a backup of that content, which does not end before `release`. */
  async startOnLaptop(): Promise<Running> {
    // Content is handed on in windows: the zeros make sure that what comes before has been looked up.
    const script = `cat "$1"; head -c ${32 * MIB} /dev/zero; touch "$2"; while [ ! -e "$3" ]; do sleep 0.05; done`;
    const running = startHoldfast(this.#dump("sh", "-c", script, "sh", this.#content, this.#hasRead, this.#goOn), ON_LAPTOP);
    const ended = running.ended.then(({ stderr }) => assert.fail(`it ended early: ${stderr}`));
    ended.catch(() => undefined);
    while (!existsSync(this.#hasRead)) await Promise.race([ended, setTimeout(10)]);
    return running;
  }

  release(): void {
    writeFileSync(this.#goOn, "");
  }

  sessions(): string[] {
    return readdirSync(join(this.repository, "sessions"));
  }
}

test(
  "prune waits for a writer of another machine and says for whom; --assume-dead ends it; alive after all it cannot publish an image, says why, and can begin again",
  { skip: whyNot({ root: true, tools: ["unshare", "hostname"] }) },
  async () => {
    using b = new TwoMachines();
    await b.prepare();
    assert.equal((await b.backUp()).status, 0);
    await b.leaveUnneededContent();
    const laptop = await b.startOnLaptop();

    for (const words of [["prune"], ["prune"], ["prune", "--assume-dead", "desktop"]]) {
      const { stdout } = await expectStatus(0, b.words(...words));
      assert.match(stdout, /can be removed when this writer has ended.*\n {2}process \d+ on laptop, since /);
      assert.match(stdout, /prune --assume-dead HOST/);
      assert.equal(b.sessions().length, 1);
    }
    // Others go on meanwhile.
    assert.equal((await b.backUp()).status, 0);

    const { stdout } = await expectStatus(0, b.words("prune", "--assume-dead", "laptop"));
    assert.match(stdout, /^Freed 3/);
    assert.match(stdout, /finished what an earlier prune had begun/);
    assert.deepEqual(b.sessions(), []);

    b.release();
    const ended = await laptop.ended;
    assert.equal(ended.status, 1, `${ended.stdout}${ended.stderr}`);
    assert.match(ended.stderr, /was taken for dead and ended by another/);
    assert.match(ended.stderr, /Nothing was damaged. Run it again/);
    assert.deepEqual(await b.withRepository((repository) => repository.images({ source: "dump" })), []);
    assert.deepEqual(b.leftovers(), []);

    const again = await b.startOnLaptop();
    assert.equal((await again.ended).status, 0);
    await b.withRepository(async (repository) => {
      const [image] = await repository.images({ source: "dump" });
      assert.ok(image !== undefined);
      assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
    });
    await expectStatus(0, b.words("prune"));
    assert.deepEqual(b.leftovers(), []);
  },
);
