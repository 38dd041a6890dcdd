// The seal of an index run: AES-256-GCM under a key that only this run has, made from its random salt. So the
// nonces may simply count: a nonce is the section's number and the page's ordinal, each used once in a file that is
// written once and never changed. A page thus opens only at its own place in its own run.

import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { concatBytes, utf8, viewOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { RUN_PAGE_TAG_BYTES } from "../../formats/index-run.ts";

const CIPHER = "aes-256-gcm";
const INFO = utf8("holdfast index run 1");
const TRAILER_SECTION = 7;

export class RunSeal {
  /** The run's own key: for passing to a worker thread, never to a disk. */
  readonly key: Uint8Array;
  readonly header: Uint8Array;
  readonly #secret: KeyObject;
  readonly #nonce = new Uint8Array(12);
  readonly #nonceView = viewOf(this.#nonce);

  /** `header` is the run's encoded header: every seal covers it. */
  constructor(key: Uint8Array, header: Uint8Array) {
    this.key = key;
    this.header = header;
    this.#secret = createSecretKey(key);
  }

  static derive(indexKey: Uint8Array, repositoryId: Uint8Array, salt: Uint8Array, header: Uint8Array): RunSeal {
    const key = hkdfSync("sha256", indexKey, salt, concatBytes(INFO, repositoryId), 32);
    return new RunSeal(new Uint8Array(key), header);
  }

  /** Ciphertext and tag, in two parts because they come that way. */
  sealPage(section: number, page: number, plain: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const cipher = createCipheriv(CIPHER, this.#secret, this.#nonceOf(section, page));
    cipher.setAAD(this.header);
    const ciphertext = cipher.update(plain);
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  }

  /** The plain bytes of a stored page, in memory of their own. */
  openPage(section: number, page: number, stored: Uint8Array, what: string): Uint8Array {
    const length = stored.length - RUN_PAGE_TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#secret, this.#nonceOf(section, page));
    decipher.setAAD(this.header);
    decipher.setAuthTag(stored.subarray(length));
    const plain = decipher.update(stored.subarray(0, length));
    try {
      decipher.final();
    } catch (cause) {
      throw new HoldfastError("SEAL_BROKEN", {
        message: `Cannot read ${what}: the seal of page ${page} in section ${section} is broken`,
        context: { section, page },
        hint: "The file is damaged. Rebuild the index from the containers.",
        cause,
      });
    }
    return plain;
  }

  sealTrailer(plain: Uint8Array): Uint8Array {
    const cipher = createCipheriv(CIPHER, this.#secret, this.#nonceOf(TRAILER_SECTION, 0));
    cipher.setAAD(concatBytes(this.header, plain));
    cipher.final();
    return cipher.getAuthTag();
  }

  /** The first use of the key on a run that is opened: a wrong key shows here, before a page is read. */
  checkTrailer(plain: Uint8Array, seal: Uint8Array, what: string): void {
    const decipher = createDecipheriv(CIPHER, this.#secret, this.#nonceOf(TRAILER_SECTION, 0));
    decipher.setAAD(concatBytes(this.header, plain));
    decipher.setAuthTag(seal);
    try {
      decipher.final();
    } catch (cause) {
      throw new HoldfastError("SEAL_BROKEN", {
        message: `Cannot read ${what}: its header and trailer were not sealed with this repository's index key`,
        hint: "It belongs to another repository, or it was changed. Rebuild the index from the containers.",
        cause,
      });
    }
  }

  #nonceOf(section: number, page: number): Uint8Array {
    this.#nonce[0] = section;
    this.#nonceView.setUint32(4, page, true);
    return this.#nonce;
  }
}
