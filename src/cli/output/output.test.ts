import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fakeWorld } from "../testing/fake-world.ts";
import { Output, OutputClosed, type OutputMode } from "./output.ts";

const HUMAN: OutputMode = { json: false, quiet: false, verbose: false, writes: "document" };

function brokenPipe(): Error {
  return Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
}

describe("the output", () => {
  test("keeps the order of what goes to either stream", async () => {
    const world = fakeWorld();
    const order: string[] = [];
    world.output.write = async (data) => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(`output ${String(data).trim()}`);
    };
    world.errors.write = (data) => {
      order.push(`errors ${String(data).trim()}`);
      return Promise.resolve();
    };
    const output = new Output(world, HUMAN);
    output.line("1");
    output.message("2");
    output.line("3");
    await output.finish();
    assert.deepEqual(order, ["output 1", "errors 2", "output 3"]);
  });

  test("gathers many lines into few writes", async () => {
    const world = fakeWorld();
    const output = new Output(world, HUMAN);
    for (let line = 0; line < 100_000; line++) {
      output.line(`line ${line}`);
      await output.ready();
    }
    await output.finish();
    assert.equal(world.output.text.split("\n").length, 100_001);
    assert(world.output.writes.length < 40, `${world.output.writes.length} writes`);
  });

  test("does not let rare lines wait", async () => {
    const world = fakeWorld();
    const output = new Output(world, HUMAN);
    for (const line of ["first", "second", "third"]) {
      world.clock.pass(1000);
      output.line(line);
      await new Promise((resolve) => setImmediate(resolve));
      assert(world.output.text.endsWith(`${line}\n`));
    }
  });

  test("waits for a reader that is slow", async () => {
    const world = fakeWorld();
    let waiting = 0;
    let most = 0;
    world.output.write = async (data) => {
      waiting += data.length;
      most = Math.max(most, waiting);
      await new Promise((resolve) => setImmediate(resolve));
      waiting -= data.length;
    };
    const output = new Output(world, HUMAN);
    for (let line = 0; line < 20_000; line++) {
      output.line("x".repeat(100));
      await output.ready();
    }
    await output.finish();
    assert(most < 200_000, `${most} characters at once`);
  });

  test("stops a listing that nobody reads any more", async () => {
    const world = fakeWorld({ columns: 80 });
    world.output.failure = brokenPipe();
    const output = new Output(world, HUMAN);
    const list = async (): Promise<void> => {
      for (let line = 0; line < 10; line++) {
        output.line("x");
        await output.ready();
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await assert.rejects(list(), OutputClosed);
    await output.finish();
  });

  test("fails at the end when the result could not be written", async () => {
    const world = fakeWorld();
    world.output.failure = Object.assign(new Error("write ENOSPC"), { code: "ENOSPC" });
    const output = new Output(world, HUMAN);
    output.line("x");
    await assert.rejects(output.finish(), /ENOSPC/);
  });

  test("does without an error output", async () => {
    const world = fakeWorld();
    world.errors.failure = brokenPipe();
    const output = new Output(world, HUMAN);
    output.message("unheard");
    output.line("result");
    await output.finish();
    assert.equal(world.output.text, "result\n");
  });
});
