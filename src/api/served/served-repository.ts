// A repository as a server offers it to its clients. Everything here is said in the messages of src/formats; who a client is, and what
// it may do, whoever listens to the network has found out.

import { createHmac } from "node:crypto";
import { hexOf, utf8 } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { NAME_LIMIT } from "../../formats/image-record.ts";
import {
  MUST_READ_LIMIT,
  decodeBackupRequest,
  encodeBegunBackup,
  encodeEndedBackup,
  encodeServedRepository,
} from "../../formats/server-exchange.ts";
import type { ServedBase } from "../../formats/server-exchange.ts";
import { treeRootOf } from "../../server/server.ts";
import type { Opened } from "../opened.ts";
import type { OfferedBase } from "../other-half.ts";
import type { ServedRepository, ServedRepositoryOptions } from "../types.ts";
import { Intake } from "./intake.ts";
import { ServedImages, grantsFor } from "./served-images.ts";

const BACKUPS_AT_ONCE = 16;
const PATIENCE_MS = 15 * 60_000;

interface Served {
  readonly client: string;
  /** What was answered when it began, for when that is asked again. */
  readonly begun: Promise<Uint8Array>;
  /** From when it has begun until it has ended. */
  intake: Intake | undefined;
  /** Once it is to end: the answer to that. */
  ended?: Promise<Uint8Array>;
  /** When something of it came last. */
  usedAtMs: number;
}

export class RepositoryServing implements ServedRepository {
  readonly id: string;
  readonly location: string;
  readonly problems: readonly Error[];
  readonly #opened: Opened;
  readonly #backupsAtOnce: number;
  readonly #patienceMs: number;
  /** By their numbers, which clients draw. */
  readonly #backups = new Map<string, Served>();

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
    const { backup, description, withBases } = decodeBackupRequest(request);
    const known = this.#backups.get(backup);
    if (known !== undefined) {
      if (known.client !== client) throw unknownBackup(backup);
      return known.begun;
    }
    await this.endIdle();
    const underWay = [...this.#backups.values()].filter(({ ended }) => ended === undefined).length;
    if (underWay >= this.#backupsAtOnce) throw busy(this.#backupsAtOnce);
    const { clock } = this.#opened.services;
    // Time and name are the server's: nobody dates an image back, or makes one for somebody else.
    const source = sourceOf(client, description.source);
    const opening = Intake.begin(this.#opened, {
      description: { ...description, source, host: client, startedAtMs: clock.now() },
      withBases,
    });
    const begun = opening.then((intake) => this.#answerOf(client, backup, source, intake));
    const served: Served = { client, begun, intake: undefined, usedAtMs: clock.elapsedMs() };
    this.#backups.set(backup, served);
    try {
      served.intake = await opening;
      return await begun;
    } catch (error) {
      this.#backups.delete(backup);
      throw error;
    }
  }

  #answerOf(client: string, backup: string, source: string, intake: Intake): Uint8Array {
    const grants = grantsFor(this.#opened, client);
    const served = ({ id, root, statistics: { files, contentBytes } }: OfferedBase): ServedBase => {
      const grant = hexOf(grants.of("page", treeRootOf(root).fingerprint));
      return { id, root, statistics: { files, contentBytes }, grant };
    };
    const areTooMany = intake.mustRead.length > MUST_READ_LIMIT;
    return encodeBegunBackup({
      backup,
      challenge: hexOf(intake.challenge),
      source,
      checkpoint: areTooMany || intake.checkpoint === undefined ? undefined : served(intake.checkpoint),
      images: areTooMany ? [] : intake.images.map(served),
      mustRead: areTooMany ? [] : intake.mustRead,
    });
  }

  async receive(client: string, backup: string, number: number, batch: Uint8Array): Promise<Uint8Array> {
    return this.#underWay(client, backup).receive(number, batch);
  }

  offer(client: string, backup: string, fingerprints: Uint8Array): Uint8Array {
    return this.#underWay(client, backup).offer(fingerprints);
  }

  async prove(client: string, backup: string, proofs: Uint8Array): Promise<Uint8Array> {
    return this.#underWay(client, backup).prove(proofs);
  }

  async store(client: string, backup: string, block: Uint8Array): Promise<void> {
    return this.#underWay(client, backup).store(block);
  }

  async endBackup(client: string, backup: string): Promise<Uint8Array> {
    const served = this.#used(client, backup);
    served.ended ??= this.#end(served);
    return served.ended;
  }

  async #end(served: Served): Promise<Uint8Array> {
    const { intake } = served;
    if (intake === undefined) throw unknownBackup("");
    try {
      return encodeEndedBackup(await intake.end());
    } finally {
      // Only the answer is kept.
      served.intake = undefined;
    }
  }

  async endIdle(): Promise<void> {
    const nowMs = this.#opened.services.clock.elapsedMs();
    for (const [backup, served] of this.#backups) {
      const isOpening = served.intake === undefined && served.ended === undefined;
      if (isOpening || nowMs - served.usedAtMs < this.#patienceMs) continue;
      this.#backups.delete(backup);
      await this.#giveUp(served);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#backups.values()];
    this.#backups.clear();
    await Promise.all(all.map((served) => this.#giveUp(served)));
    await this.#opened.close();
  }

  /** What goes wrong with it now, nobody waits for. */
  async #giveUp(served: Served): Promise<void> {
    await served.begun.catch(() => undefined);
    await (served.ended ?? this.#end(served)).catch(() => undefined);
  }

  #underWay(client: string, backup: string): Intake {
    const { intake, ended } = this.#used(client, backup);
    if (intake === undefined || ended !== undefined) throw unknownBackup(backup);
    return intake;
  }

  #used(client: string, backup: string): Served {
    const served = this.#backups.get(backup);
    if (served === undefined || served.client !== client) throw unknownBackup(backup);
    served.usedAtMs = this.#opened.services.clock.elapsedMs();
    return served;
  }
}

/** Sources of different clients never share a name. */
function sourceOf(client: string, asked: string): string {
  const source = asked.startsWith(`${client}:`) ? asked : `${client}:${asked}`;
  if (source.length <= NAME_LIMIT) return source;
  throw new HoldfastError("REQUEST_INVALID", {
    message: `The name of the source has ${source.length} characters with the client's name before it, the limit is ${NAME_LIMIT}`,
    hint: "Give a shorter one with --source.",
  });
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
