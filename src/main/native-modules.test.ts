import assert from "node:assert/strict";
import { test } from "node:test";
import { loadBlake3, loadKoffi } from "./native-modules.ts";

test("BLAKE3 gives the digests of its specification", () => {
  const key = Buffer.from("whats the Elvish word for friend");
  const hasher = loadBlake3().Blake3Hasher.newKeyed(key);
  // The first case of the official test vectors: no input.
  assert.equal(hasher.digest("hex"), "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26");
});

test(
  "the C library can be called",
  { skip: process.platform !== "linux" && "its file has another name on this platform" },
  () => {
    const getpid = loadKoffi().load("libc.so.6").func("int getpid()") as unknown as () => number;
    assert.equal(getpid(), process.pid);
  },
);
