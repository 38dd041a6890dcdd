// A repository as a server offers it to its clients. Everything here is said in the messages of src/formats; who a client is, and what
// it may do, whoever listens to the network has found out.

import { createHmac } from "node:crypto";
import { hexOf, utf8 } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import {
  MUST_READ_LIMIT,
  decodeBackupRequest,
  encodeBegunBackup,
  encodeEndedBackup,
  encodeServedRepository,
} from "../../formats/server-exchange.ts";
import type { ServedBase } from "../../formats/server-exchange.ts";
import type { ImageDescription } from "../../model/image.ts";
import { treeRootOf } from "../../server/server.ts";
import type { Opened } from "../opened.ts";
import type { OfferedBase } from "../other-half.ts";
import type { ServedRepository, ServedRepositoryOptions } from "../types.ts";
import { Intake } from "./intake.ts";
import { ServedImages, grantsFor } from "./served-images.ts";

const BACKUPS_AT_ONCE = 16;
const PATIENCE_MS = 15 * 60_000;
const BACKUP_NUMBER_BYTES = 16;

interface Served {
  readonly client: string;
  readonly intake: Intake;
  /** Once it is to end: the answer to that, for when it is asked again. */
  ended?: Promise<Uint8Array>;
}

export class RepositoryServing implements ServedRepository {
  readonly id: string;
  readonly location: string;
  readonly problems: readonly Error[];
  readonly #opened: Opened;
  readonly #backupsAtOnce: number;
  readonly #patienceMs: number;
  readonly #backups = new Map<string, Served>();
  #beginning = 0;

  constructor(opened: Opened, { backupsAtOnce = BACKUPS_AT_ONCE, patienceMs = PATIENCE_MS }: ServedRepositoryOptions = {}) {
    const { id, layout, problems } = opened.repository;
    this.id = hexOf(id);
    this.location = layout.root;
    this.problems = problems;
    this.#opened = opened;
    this.#backupsAtOnce = backupsAtOnce;
    this.#patienceMs = patienceMs;
  }

  describe(client: string): Uint8Array {
    const { id, keyRing } = this.#opened.repository;
    // Nobody reads the track logs of others with it.
    const trackLog = createHmac("sha256", keyRing.trackLog).update(utf8(client)).digest("hex");
    return encodeServedRepository({
      id: hexOf(id),
      client,
      keys: {
        cut: hexOf(keyRing.cut),
        trackLog,
        data: hexOf(keyRing.fingerprint("data")),
        page: hexOf(keyRing.fingerprint("page")),
        list: hexOf(keyRing.fingerprint("list")),
      },
    });
  }

  images(client: string): Promise<Uint8Array> {
    return new ServedImages(this.#opened, client).list();
  }

  page(client: string, question: Uint8Array): Promise<Uint8Array> {
    return new ServedImages(this.#opened, client).page(question);
  }

  segments(client: string, question: Uint8Array): Promise<Uint8Array> {
    return new ServedImages(this.#opened, client).segments(question);
  }

  async beginBackup(client: string, request: Uint8Array): Promise<Uint8Array> {
    const { description: asked, withBases } = decodeBackupRequest(request);
    await this.endIdle();
    const underWay = [...this.#backups.values()].filter(({ ended }) => ended === undefined).length;
    if (underWay + this.#beginning >= this.#backupsAtOnce) throw busy(this.#backupsAtOnce);
    const { clock, random } = this.#opened.services;
    // Time and name are the server's: nobody dates an image back, or makes one for somebody else.
    const description: ImageDescription = {
      ...asked,
      source: sourceOf(client, asked.source),
      host: client,
      startedAtMs: clock.now(),
    };
    this.#beginning++;
    const intake = await Intake.begin(this.#opened, { description, withBases }).finally(() => void this.#beginning--);
    intake.usedAtMs = clock.elapsedMs();
    const backup = hexOf(random.bytes(BACKUP_NUMBER_BYTES));
    this.#backups.set(backup, { client, intake });
    const grants = grantsFor(this.#opened, client);
    const served = ({ id, root, statistics: { files, contentBytes } }: OfferedBase): ServedBase => {
      const grant = hexOf(grants.of("page", treeRootOf(root).fingerprint));
      return { id, root, statistics: { files, contentBytes }, grant };
    };
    const areTooMany = intake.mustRead.length > MUST_READ_LIMIT;
    return encodeBegunBackup({
      backup,
      challenge: hexOf(intake.challenge),
      source: description.source,
      checkpoint: areTooMany || intake.checkpoint === undefined ? undefined : served(intake.checkpoint),
      images: areTooMany ? [] : intake.images.map(served),
      mustRead: areTooMany ? [] : intake.mustRead,
    });
  }

  receive(client: string, backup: string, number: number, batch: Uint8Array): Promise<Uint8Array> {
    return this.#used(client, backup).intake.receive(number, batch);
  }

  offer(client: string, backup: string, fingerprints: Uint8Array): Uint8Array {
    return this.#used(client, backup).intake.offer(fingerprints);
  }

  prove(client: string, backup: string, proofs: Uint8Array): Promise<Uint8Array> {
    return this.#used(client, backup).intake.prove(proofs);
  }

  store(client: string, backup: string, block: Uint8Array): Promise<void> {
    return this.#used(client, backup).intake.store(block);
  }

  endBackup(client: string, backup: string): Promise<Uint8Array> {
    const served = this.#used(client, backup);
    served.ended ??= served.intake.end().then(encodeEndedBackup);
    return served.ended;
  }

  async endIdle(): Promise<void> {
    const nowMs = this.#opened.services.clock.elapsedMs();
    for (const [backup, { intake, ended }] of this.#backups) {
      if (nowMs - intake.usedAtMs < this.#patienceMs) continue;
      this.#backups.delete(backup);
      await (ended ?? intake.end());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#backups.values()];
    this.#backups.clear();
    await Promise.all(all.map(({ intake, ended }) => ended ?? intake.end()));
    await this.#opened.close();
  }

  #used(client: string, backup: string): Served {
    const served = this.#backups.get(backup);
    if (served === undefined || served.client !== client) throw unknownBackup(backup);
    served.intake.usedAtMs = this.#opened.services.clock.elapsedMs();
    return served;
  }
}

/** Sources of different clients never share a name. */
function sourceOf(client: string, asked: string): string {
  return asked.startsWith(`${client}:`) ? asked : `${client}:${asked}`;
}

function busy(count: number): HoldfastError {
  return new HoldfastError("REPOSITORY_LOCKED", {
    message: `The server takes ${count} backups at a time, and as many are under way`,
    retry: "later",
    hint: "Try again later.",
  });
}

function unknownBackup(backup: string): HoldfastError {
  return new HoldfastError("SESSION_ENDED", {
    message: `The server knows of no backup ${backup.slice(0, 8)} that is under way: it was started again, or heard nothing for too long`,
    retry: "now",
    hint: "Run the backup again: it goes on from what was stored.",
  });
}
