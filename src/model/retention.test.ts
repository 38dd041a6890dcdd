import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seededNumbers } from "../engine/testing.ts";
import { DAY_MS, HOUR_MS, PERIODS, calendarIn } from "./calendar.ts";
import type { Calendar } from "./calendar.ts";
import { isInForce, strongerHold } from "./hold.ts";
import type { ImageHold } from "./hold.ts";
import type { ImageId } from "./image.ts";
import { decideByName, decideByRules, describeSpan, keepAnything } from "./retention.ts";
import type { RetainedImage, RetentionDecision, RetentionLimits, RetentionRules } from "./retention.ts";

const NOW_MS = Date.parse("2026-11-20T12:00:00Z");
const utc = calendarIn("UTC");

function limits(changes: Partial<RetentionLimits> = {}): RetentionLimits {
  return { keepWithinMs: 0, nowMs: NOW_MS, calendar: utc, ...changes };
}

/** An image that is called by its time, such as "2026-11-20 12:00". */
function image(time: string, changes: Partial<RetainedImage> = {}): RetainedImage {
  const finishedAtMs = Date.parse(`${time.replace(" ", "T")}:00Z`);
  return { id: time as ImageId, source: "home", tags: [], finishedAtMs, isComplete: true, ...changes };
}

function keptBy(rules: RetentionRules, images: readonly RetainedImage[], changes?: Partial<RetentionLimits>): string[] {
  return decideByRules(images, rules, limits(changes)).flatMap(({ image: { id }, keeps }) => (keeps ? [id] : []));
}

/** Time → reasons, oldest first. */
function why(decisions: readonly RetentionDecision[]): Record<string, string> {
  return Object.fromEntries(
    decisions.map(({ image: { id }, keeps, reasons }) => [id, `${keeps ? "keep" : "remove"}: ${reasons.join(", ")}`]),
  );
}

describe("rules", () => {
  const images = [
    image("2025-12-30 08:00"),
    image("2026-10-31 22:00", { tags: ["release"] }),
    image("2026-11-15 08:00"),
    image("2026-11-16 08:00"),
    image("2026-11-19 08:00"),
    image("2026-11-19 20:10"),
    image("2026-11-19 20:50"),
    image("2026-11-20 08:00"),
  ];

  test("keep the newest images", () => {
    assert.deepEqual(keptBy({ last: 2 }, images), ["2026-11-19 20:50", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ last: 100 }, images).length, images.length);
    assert.deepEqual(keptBy({ last: Number.POSITIVE_INFINITY }, images).length, images.length);
  });

  test("keep the newest image of each of the newest periods that have any", () => {
    assert.deepEqual(keptBy({ hourly: 2 }, images), ["2026-11-19 20:50", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ daily: 3 }, images), ["2026-11-16 08:00", "2026-11-19 20:50", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ weekly: 2 }, images), ["2026-11-15 08:00", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ monthly: 2 }, images), ["2026-10-31 22:00", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ yearly: Number.POSITIVE_INFINITY }, images), ["2025-12-30 08:00", "2026-11-20 08:00"]);
  });

  test("keep one image of each period as far back as they say", () => {
    const within = { daily: 4 * DAY_MS };
    assert.deepEqual(keptBy({ within }, images), ["2026-11-16 08:00", "2026-11-19 20:50", "2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ within: { yearly: 400 * DAY_MS } }, images), ["2025-12-30 08:00", "2026-11-20 08:00"]);
  });

  test("keep what carries one of their tags", () => {
    assert.deepEqual(keptBy({ tags: ["none", "release"] }, images), ["2026-10-31 22:00"]);
  });

  test("keep an image when any of them does, and say which", () => {
    const rules = { last: 2, daily: 3, monthly: 2, within: { weekly: 7 * DAY_MS }, tags: ["release"] };
    assert.deepEqual(why(decideByRules(images, rules, limits())), {
      "2025-12-30 08:00": "remove: no rule keeps it",
      "2026-10-31 22:00": "keep: monthly 2026-10, tag release",
      "2026-11-15 08:00": "keep: weekly 2026-W46, within 7 days",
      "2026-11-16 08:00": "keep: daily 2026-11-16",
      "2026-11-19 08:00": "remove: no rule keeps it",
      "2026-11-19 20:10": "remove: no rule keeps it",
      "2026-11-19 20:50": "keep: last 2 of 2, daily 2026-11-19",
      "2026-11-20 08:00": "keep: last 1 of 2, daily 2026-11-20, weekly 2026-W47, within 7 days, monthly 2026-11",
    });
  });

  test("count days as the people of the time zone do", () => {
    const late = [image("2026-11-19 09:00"), image("2026-11-19 14:59"), image("2026-11-19 15:01")];
    assert.deepEqual(keptBy({ daily: 9 }, late), ["2026-11-19 15:01"]);
    const calendar = calendarIn("Asia/Tokyo");
    assert.deepEqual(keptBy({ daily: 9 }, late, { calendar }), ["2026-11-19 14:59", "2026-11-19 15:01"]);
  });

  test("keep a complete image beside the newest of its period when that one has gaps", () => {
    const gaps = { isComplete: false };
    const some = [image("2026-11-20 06:00"), image("2026-11-20 07:00"), image("2026-11-20 08:00", gaps)];
    assert.deepEqual(keptBy({ daily: 1 }, some), ["2026-11-20 07:00", "2026-11-20 08:00"]);
    const none = some.map((each) => ({ ...each, ...gaps }));
    assert.deepEqual(keptBy({ daily: 1 }, none), ["2026-11-20 08:00"]);
    assert.deepEqual(keptBy({ last: 1 }, some), ["2026-11-20 08:00"]);
  });

  test("that keep nothing are known for what they are", () => {
    for (const rules of [{}, { last: 0 }, { last: 0, daily: 0, tags: [], within: { daily: 0 } }])
      assert.equal(keepAnything(rules, limits()), false);
    for (const rules of [{ yearly: 1 }, { tags: ["x"] }, { within: { hourly: 1 } }])
      assert.equal(keepAnything(rules, limits()), true);
    assert.equal(keepAnything({ last: 0 }, limits({ keepWithinMs: 1 })), true);
    assert.deepEqual(keptBy({ last: 0 }, images), []);
  });
});

describe("the retention floor", () => {
  const images = [image("2026-10-01 12:00"), image("2026-10-22 12:00"), image("2026-11-20 08:00")];
  const keepWithinMs = 30 * DAY_MS;

  test("keeps what is younger, whatever rules say", () => {
    assert.deepEqual(why(decideByRules(images, {}, limits({ keepWithinMs }))), {
      "2026-10-01 12:00": "remove: no rule keeps it",
      "2026-10-22 12:00": "keep: younger than 30 days",
      "2026-11-20 08:00": "keep: younger than 30 days",
    });
  });

  test("keeps what is younger also from being removed by name", () => {
    const named = new Set(images.slice(0, 2).map(({ id }) => id));
    assert.deepEqual(why(decideByName(images, named, limits({ keepWithinMs }))), {
      "2026-10-01 12:00": "remove: named",
      "2026-10-22 12:00": "keep: younger than 30 days",
    });
  });

  test("counts from the newest image when the clock runs ahead, or nothing was backed up for long", () => {
    const nowMs = NOW_MS + 1_000 * DAY_MS;
    assert.deepEqual(why(decideByRules(images, {}, limits({ keepWithinMs, nowMs }))), {
      "2026-10-01 12:00": "remove: no rule keeps it",
      "2026-10-22 12:00": "keep: within 30 days of the newest",
      "2026-11-20 08:00": "keep: within 30 days of the newest",
    });
  });

  test("counts from now when an image seems to come from the future", () => {
    const ahead = [...images, image("2036-01-01 00:00")];
    assert.deepEqual(keptBy({}, ahead, { keepWithinMs }), ["2026-10-22 12:00", "2026-11-20 08:00", "2036-01-01 00:00"]);
  });

  test("is told in days, or in hours", () => {
    assert.deepEqual([DAY_MS, 30 * DAY_MS, HOUR_MS, 36 * HOUR_MS, 1].map(describeSpan), [
      "1 day",
      "30 days",
      "1 hour",
      "36 hours",
      "1 hour",
    ]);
  });
});

describe("a hold", () => {
  const untilMs = Date.parse("2027-02-01T00:00:00Z");
  const images = [image("2026-01-01 12:00", { hold: { reason: "audit", untilMs } }), image("2026-11-20 08:00")];

  test("keeps an image from rules and from being removed by name, and says until when", () => {
    const reasons = { "2026-01-01 12:00": "keep: held: audit until 2027-01-31", "2026-11-20 08:00": "keep: last 1 of 1" };
    assert.deepEqual(why(decideByRules(images, { last: 1 }, limits())), reasons);
    const named = new Set(images.map(({ id }) => id));
    assert.deepEqual(why(decideByName(images, named, limits())), { ...reasons, "2026-11-20 08:00": "remove: named" });
  });

  test("protects no more once it has ended", () => {
    assert.deepEqual(keptBy({ last: 1 }, images, { nowMs: untilMs - 1 }).length, 2);
    assert.deepEqual(keptBy({ last: 1 }, images, { nowMs: untilMs }), ["2026-11-20 08:00"]);
    assert.equal(isInForce({ reason: "for ever" }, Number.MAX_SAFE_INTEGER), true);
    assert.equal(isInForce(undefined, 0), false);
  });

  test("of two, the one that protects longer is stronger, in whatever order they are met", () => {
    const ever: ImageHold = { reason: "a" };
    const long: ImageHold = { reason: "b", untilMs: 20 };
    const short: ImageHold = { reason: "c", untilMs: 10 };
    for (const [a, b, expected] of [
      [ever, long, ever],
      [long, short, long],
      [short, undefined, short],
      [ever, { reason: "z" }, { reason: "z" }],
      [undefined, undefined, undefined],
    ] as const) {
      assert.deepEqual([strongerHold(a, b), strongerHold(b, a)], [expected, expected]);
    }
  });
});

describe("whatever images and rules there are", () => {
  const CASES = 10_000;
  const QUARTER_MS = HOUR_MS / 4;
  const seed = Number(process.env["HOLDFAST_TEST_SEED"] ?? 20_261_120);
  const calendars = ["UTC", "Europe/Berlin", "Pacific/Auckland"].map((zone) => remembering(calendarIn(zone)));
  const spans = [0, 0, HOUR_MS, 36 * HOUR_MS, 10 * DAY_MS, 400 * DAY_MS];

  /** The same cases come again in every test. */
  function remembering(calendar: Calendar): Calendar {
    const known = new Map<number, ReturnType<Calendar>>();
    return (epochMs) => {
      let periods = known.get(epochMs);
      if (periods === undefined) known.set(epochMs, (periods = calendar(epochMs)));
      return periods;
    };
  }

  interface Case {
    readonly images: readonly RetainedImage[];
    readonly rules: RetentionRules;
    readonly limits: RetentionLimits;
    /** A number below `most`. */
    readonly pick: (most: number) => number;
  }

  function eachCase(check: (one: Case) => void): void {
    const next = seededNumbers(seed);
    const pick = (most: number): number => next() % most;
    for (let number = 0; number < CASES; number++) {
      const one = { images: someImages(pick), rules: someRules(pick), limits: someLimits(pick), pick };
      try {
        check(one);
      } catch (error) {
        throw new Error(`case ${number} of HOLDFAST_TEST_SEED=${seed}: ${JSON.stringify(one)}`, { cause: error });
      }
    }
  }

  /** From many in an hour to a few in years, some at the same instant, some with gaps, tags, holds, or from the future. */
  function someImages(pick: Case["pick"]): RetainedImage[] {
    const stepMs = [QUARTER_MS, 7 * HOUR_MS, DAY_MS, 40 * DAY_MS][pick(4)] ?? DAY_MS;
    let time = NOW_MS + (pick(8) === 0 ? 100 * DAY_MS : 0);
    return Array.from({ length: pick(14) }, (_, position) => {
      time -= pick(6) === 0 ? 0 : pick(stepMs / QUARTER_MS + 1) * QUARTER_MS;
      return {
        id: `${pick(1_000_000)}-${position}` as ImageId,
        source: "home",
        tags: pick(5) === 0 ? ["keep"] : [],
        finishedAtMs: time,
        isComplete: pick(4) !== 0,
        ...(pick(8) === 0 ? { hold: { reason: "x", untilMs: NOW_MS + (pick(4) - 1) * DAY_MS } } : {}),
      };
    });
  }

  function someRules(pick: Case["pick"]): RetentionRules {
    const rules: Record<string, unknown> = {};
    const count = (): number => [0, 1, 2, 5, Number.POSITIVE_INFINITY][pick(5)] ?? 0;
    for (const name of ["last", ...PERIODS]) if (pick(4) === 0) rules[name] = count();
    if (pick(4) === 0) rules["within"] = { [PERIODS[pick(5)] ?? "daily"]: spans[pick(spans.length)] };
    if (pick(6) === 0) rules["tags"] = ["keep"];
    return rules;
  }

  function someLimits(pick: Case["pick"]): RetentionLimits {
    return limits({ keepWithinMs: spans[pick(spans.length)] ?? 0, calendar: calendars[pick(calendars.length)] ?? utc });
  }

  const kept = (decisions: readonly RetentionDecision[]): ReadonlySet<string> =>
    new Set(decisions.flatMap(({ image: { id }, keeps }) => (keeps ? [id] : [])));

  test("every image is decided on once, with a reason, oldest first", () => {
    eachCase(({ images, rules, limits: at }) => {
      const decisions = decideByRules(images, rules, at);
      assert.deepEqual(decisions.map((each) => each.image.id).toSorted(), images.map(({ id }) => id).toSorted());
      assert.ok(decisions.every(({ reasons }) => reasons.length > 0 && reasons.every((reason) => reason !== "")));
      const times = decisions.map((each) => each.image.finishedAtMs);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
    });
  });

  test("nothing held and nothing younger than the floor goes, by rules or by name", () => {
    eachCase(({ images, rules, limits: at }) => {
      const everything = new Set(images.map(({ id }) => id));
      for (const stays of [kept(decideByRules(images, rules, at)), kept(decideByName(images, everything, at))]) {
        for (const { id, hold, finishedAtMs } of images) {
          const isYoung = at.keepWithinMs > 0 && at.nowMs - finishedAtMs <= at.keepWithinMs;
          if (isYoung || (hold !== undefined && (hold.untilMs ?? 0) > at.nowMs)) assert.ok(stays.has(id), id);
        }
      }
    });
  });

  test("rules keep at least as many images as they promise", () => {
    eachCase(({ images, rules, limits: at }) => {
      const stays = kept(decideByRules(images, rules, at));
      assert.ok(stays.size >= Math.min(rules.last ?? 0, images.length));
      for (const period of PERIODS) {
        const periods = new Set(images.map(({ finishedAtMs }) => at.calendar(finishedAtMs)[period]));
        const keptPeriods = new Set(
          images.filter(({ id }) => stays.has(id)).map(({ finishedAtMs }) => at.calendar(finishedAtMs)[period]),
        );
        assert.ok(keptPeriods.size >= Math.min(rules[period] ?? 0, periods.size), period);
      }
      if (images.length > 0 && keepAnything({ ...rules, tags: [] }, at)) assert.ok(stays.size > 0);
    });
  });

  test("another rule, a higher number or a higher floor never removes more", () => {
    eachCase(({ images, rules, limits: at, pick }) => {
      const before = kept(decideByRules(images, rules, at));
      const name = (["last", ...PERIODS] as const)[pick(6)] ?? "last";
      const period = PERIODS[pick(5)] ?? "daily";
      const spanMs = (rules.within?.[period] ?? 0) + (spans[pick(spans.length)] ?? 0);
      const more: readonly (readonly [RetentionRules, RetentionLimits])[] = [
        [{ ...rules, [name]: (rules[name] ?? 0) + pick(4) }, at],
        [{ ...rules, within: { ...rules.within, [period]: spanMs } }, at],
        [{ ...rules, tags: [...(rules.tags ?? []), "keep"] }, at],
        [rules, { ...at, keepWithinMs: at.keepWithinMs + (spans[pick(spans.length)] ?? 0) }],
      ];
      for (const [moreRules, moreLimits] of more) {
        const after = kept(decideByRules(images, moreRules, moreLimits));
        for (const id of before) assert.ok(after.has(id), id);
      }
    });
  });

  test("the order in which images are met changes nothing", () => {
    eachCase(({ images, rules, limits: at, pick }) => {
      const shuffled = images
        .map((each) => ({ each, order: pick(1_000_000) }))
        .sort((a, b) => a.order - b.order)
        .map(({ each }) => each);
      assert.deepEqual(decideByRules(shuffled, rules, at), decideByRules(images, rules, at));
    });
  });

  test("what was kept is kept again when the rules are applied to what is left", () => {
    eachCase(({ images, rules, limits: at }) => {
      const stays = kept(decideByRules(images, rules, at));
      const left = images.filter(({ id }) => stays.has(id));
      assert.deepEqual(kept(decideByRules(left, rules, at)), stays);
    });
  });
});
