import assert from "node:assert/strict";
import { after, test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import { startStoreThread } from "./store-thread.ts";
import type { StoreThread } from "./store-thread.ts";

const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

/** A store in memory; `get` ends the thread for the key "die", and never answers for "wait". */
const CODE = `
  Promise.all([import(${here("./memory-objects.ts")}), import(${here("./store-thread.ts")}), import(${here("../system-clock.ts")})])
    .then(([{ asynchronous, MemoryObjects }, { serveStore }, { systemClock }]) =>
      serveStore(({ greeting }) => {
        const objects = new MemoryObjects(systemClock);
        objects.put("greeting", new TextEncoder().encode(greeting));
        const store = asynchronous(objects);
        return {
          ...store,
          get: (key, limitBytes) => {
            if (key === "die") process.exit(1);
            return key === "wait" ? new Promise(() => undefined) : store.get(key, limitBytes);
          },
        };
      }),
    );
`;

const opened: StoreThread[] = [];
after(() => Promise.all(opened.map((thread) => thread.close())));

function open(): StoreThread {
  const thread = startStoreThread({ code: CODE }, { greeting: "hello" });
  opened.push(thread);
  return thread;
}

test("who cannot wait is answered before the call returns, from the first call on", () => {
  const { blocking } = open();
  assert.equal(textOf(blocking.get("greeting", 10) ?? new Uint8Array()), "hello");
  assert.equal(blocking.put("a", utf8("1"), { onlyIfAbsent: true }), true);
  assert.equal(blocking.put("a", utf8("2"), { onlyIfAbsent: true }), false);
  assert.equal(blocking.get("missing", 10), undefined);
  assert.deepEqual(blocking.levels([""]), [["a", "greeting"]]);
});

test("who can wait goes on meanwhile, and many are answered together", async () => {
  const { waiting, blocking } = open();
  const puts = Array.from({ length: 50 }, (_, index) => waiting.put(`key ${index}`, utf8(String(index))));
  assert.equal(blocking.put("between", utf8("x")), true);
  assert.deepEqual(new Set(await Promise.all(puts)), new Set([true]));
  assert.equal(blocking.list("key ").objects.length, 50);
});

test("errors keep their code and their text on both ways", async () => {
  const { blocking, waiting } = open();
  const isTooLarge = (error: unknown): boolean =>
    hasCode(error, "FORMAT_INVALID") && /5 bytes, expected at most 2/.test(error.message);
  assert.throws(() => blocking.get("greeting", 2), isTooLarge);
  await assert.rejects(waiting.get("greeting", 2), isTooLarge);
});

test("who waits for a thread that ends is told", async () => {
  const { waiting } = open();
  const unanswered = waiting.get("wait", 1);
  await assert.rejects(Promise.all([unanswered, waiting.get("die", 1)]), (error) => hasCode(error, "WORKER_FAILED"));
  await assert.rejects(waiting.head("a"), (error) => hasCode(error, "WORKER_FAILED"));
});
