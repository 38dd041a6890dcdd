// Commands that decide which images go and which stay.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError } from "../../base/errors.ts";
import { parseCountOrAll, parseEnd, parseSpan } from "../arguments/options.ts";
import type { ForgetOptions } from "../library.ts";
import { SECOND_ID, forgetReport, image } from "../testing/fake-repository.ts";
import { asked, run } from "../testing/run.ts";

process.env["TZ"] = "Europe/Berlin";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function request(...words: string[]): Promise<ForgetOptions> {
  const [[name, options] = []] = asked(await run(["forget", ...words]));
  assert.equal(name, "forget");
  return options as ForgetOptions;
}

describe("forget", () => {
  test("asks for everything that options can say", async () => {
    const counts = ["last", "hourly", "daily", "weekly", "monthly"].flatMap((rule, count) => [`--keep-${rule}`, `${count}`]);
    const spans = ["hourly", "daily", "weekly", "monthly", "yearly"].flatMap((rule) => [`--keep-within-${rule}`, "2d"]);
    const words = [...counts, "--keep-yearly", "all", ...spans, "--keep-within", "1w", "--keep-tag", "a", "--keep-tag", "b"];
    assert.deepEqual(await request(...words, "--source", "s", "--host", "h", "--tag", "t", "-n"), {
      rules: {
        last: 0,
        hourly: 1,
        daily: 2,
        weekly: 3,
        monthly: 4,
        yearly: Number.POSITIVE_INFINITY,
        within: { hourly: 2 * DAY_MS, daily: 2 * DAY_MS, weekly: 2 * DAY_MS, monthly: 2 * DAY_MS, yearly: 2 * DAY_MS },
        tags: ["a", "b"],
      },
      keepWithinMs: 7 * DAY_MS,
      filter: { source: "s", host: "h", tag: "t" },
      dryRun: true,
    });
    assert.deepEqual(await request("--keep-last", "3"), { rules: { last: 3 }, filter: {}, dryRun: false });
    assert.deepEqual(await request("--keep-within", "30d"), { keepWithinMs: 30 * DAY_MS, filter: {}, dryRun: false });
    assert.deepEqual(await request("3f2a", "latest", "--host", "hal"), {
      images: ["3f2a", "latest"],
      filter: { host: "hal" },
      dryRun: false,
    });
  });

  test("wants rules or images, not both and not neither", async () => {
    const complaints = [
      [["forget"], "holdfast forget needs to know what to keep, such as --keep-daily 7, or which images to remove"],
      [
        ["forget", "--host", "hal"],
        "holdfast forget needs to know what to keep, such as --keep-daily 7, or which images to remove",
      ],
      [["forget", "3f2a", "--keep-last", "1"], "holdfast: Images are named or chosen by --keep rules, not both"],
      [
        ["forget", "--keep-last", "-1"],
        "The option --keep-last needs a value: --keep-last N",
        'If the value really is "-1", write --keep-last=-1.',
      ],
      [["forget", "--keep-last=-1"], 'holdfast: The value of --keep-last, "-1", is neither a whole number nor "all"'],
      [
        ["forget", "--keep-within", "30"],
        'holdfast: The value of --keep-within, "30", is not a span of time such as 12h, 30d, 8w, 6m or 1y6m',
      ],
    ] as const;
    for (const [words, message] of complaints) {
      const { status, stderr, calls } = await run(words);
      assert.deepEqual([status, calls], [2, []]);
      assert.ok(stderr.includes(message), stderr);
    }
  });

  test("shows what it decided, source by source, and why", async () => {
    const { status, stdout } = await run(["forget", "--keep-last", "1"]);
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `hal:/home/anna
  IMAGE     FINISHED                     WHY
  3f2a9c81  2026-11-20 14:03:40  remove  no rule keeps it
  77b0c4d2  2026-11-21 14:03:22  keep    last 1 of 1, daily 2026-11-21

Removed 1 of 2 images.
The space that they alone took is still in use; \`holdfast prune\` frees it.
`,
    );
    assert.equal((await run(["forget", "--keep-last", "1", "--quiet"])).stdout, "");
  });

  test("says what it would do, and when there is nothing to do", async () => {
    const answering = async (fields: Parameters<typeof forgetReport>[0]): Promise<string | undefined> => {
      const forget = () => Promise.resolve(forgetReport(fields));
      return (await run(["forget", "--keep-last", "1"], { answers: { forget } })).stdout.trimEnd().split("\n").at(-1);
    };
    assert.equal(await answering({ dryRun: true }), "Dry run: 1 of 2 images would be removed. Nothing was.");
    assert.equal(await answering({ removed: 0 }), "No image is to be removed.");
    assert.equal(await answering({ sources: [], removed: 0, kept: 0 }), "No image matches.");
  });

  test("tells programs the same", async () => {
    const { stdout } = await run(["forget", "--keep-last", "1", "--json"]);
    assert.deepEqual(JSON.parse(stdout), {
      sources: [
        {
          source: "hal:/home/anna",
          images: [
            { id: image().id, finishedAt: "2026-11-20T13:03:40.000Z", decision: "remove", reasons: ["no rule keeps it"] },
            {
              id: SECOND_ID,
              finishedAt: "2026-11-21T13:03:22.900Z",
              decision: "keep",
              reasons: ["last 1 of 1", "daily 2026-11-21"],
            },
          ],
        },
      ],
      kept: 1,
      removed: 1,
      dryRun: false,
    });
  });

  test("ends with status 1 and the explanation when it is refused", async () => {
    const forget = () =>
      Promise.reject(new HoldfastError("IMAGE_HELD", { message: "Image 3f2a must stay", hint: "End the hold." }));
    const { status, stdout, stderr } = await run(["forget", "3f2a"], { answers: { forget } });
    assert.deepEqual([status, stdout, stderr], [1, "", "holdfast: Image 3f2a must stay\nhint: End the hold.\n"]);
  });
});

describe("hold", () => {
  const untilMs = Date.parse("2027-01-31T23:00:00Z");
  const held = image({ hold: { reason: "audit", untilMs } });

  test("protects an image, to the end of a day or for ever", async () => {
    const ran = await run(["hold", "latest", "--reason", "audit", "--until", "2027-01-31"], {
      answers: { image: () => Promise.resolve(image()) },
    });
    assert.deepEqual(asked(ran), [
      ["image", "latest"],
      ["hold", image().id, { reason: "audit", untilMs }],
    ]);
    assert.deepEqual([ran.status, ran.stdout], [0, "Image 3f2a9c81 is held: audit until 2027-01-31.\n"]);
    const ever = await run(["hold", "x", "--reason", "audit", "--json"]);
    assert.deepEqual(asked(ever)[1], ["hold", "x", { reason: "audit" }]);
    assert.equal(ever.stdout, '{"imageId":"x","hold":{"reason":"audit","until":null}}\n');
  });

  test("is ended by naming the image", async () => {
    const ran = await run(["hold", "--remove", "3f2a"], { answers: { image: () => Promise.resolve(held) } });
    assert.deepEqual(asked(ran), [
      ["image", "3f2a"],
      ["hold", held.id, undefined],
    ]);
    assert.equal(ran.stdout, "Image 3f2a9c81 is held no more: audit until 2027-01-31.\n");
    const json = await run(["hold", "--remove", "3f2a", "--json"], { answers: { image: () => Promise.resolve(held) } });
    assert.equal(json.stdout, `{"imageId":"${held.id}","hold":null}\n`);
  });

  test("writes nothing where there is none to end", async () => {
    const ran = await run(["hold", "--remove", "x"]);
    assert.deepEqual(asked(ran), [["image", "x"]]);
    assert.deepEqual([ran.status, ran.stdout], [0, "Image x was not held.\n"]);
  });

  test("wants to know which image and why", async () => {
    for (const words of [
      ["hold"],
      ["hold", "x"],
      ["hold", "--reason", "audit"],
      ["hold", "x", "--remove", "y"],
      ["hold", "--remove", "y", "--reason", "audit"],
      ["hold", "x", "--reason", "audit", "--until", "tomorrow"],
    ]) {
      const { status, calls } = await run(words);
      assert.deepEqual([status, calls], [2, []]);
    }
  });

  test("is shown with the images, until it has ended", async () => {
    const answers = { images: () => Promise.resolve([held, image({ id: SECOND_ID })]) };
    const { stdout } = await run(["images"], { answers });
    assert.equal(
      stdout,
      `IMAGE     TIME                  FILES     SIZE      ADDED  SOURCE          TAGS  HELD
3f2a9c81  2026-11-20 14:03:22  12,345  1.3 GiB  343.3 MiB  hal:/home/anna        audit until 2027-01-31
77b0c4d2  2026-11-20 14:03:22  12,345  1.3 GiB  343.3 MiB  hal:/home/anna
2 images
`,
    );
    const after = await run(["images"], { answers, prepare: (world) => (world.clock.nowMs = untilMs) });
    assert.doesNotMatch(after.stdout, /HELD|audit/);
    const json = JSON.parse((await run(["images", "--json"], { answers })).stdout) as { images: { hold: unknown }[] };
    assert.deepEqual(
      json.images.map(({ hold }) => hold),
      [{ reason: "audit", until: "2027-01-31T23:00:00.000Z" }, null],
    );
  });

  test("cannot paint the terminal with its reason", async () => {
    const painted = image({ hold: { reason: "\u001b[31mred" } });
    const { stdout } = await run(["images"], { answers: { images: () => Promise.resolve([painted]) } });
    assert.match(stdout, /\\x1b\[31mred$/m);
  });
});

test("counts, spans and ends are read in the ways people write them", () => {
  assert.deepEqual(["0", "7", "all"].map(parseCountOrAll), [0, 7, Number.POSITIVE_INFINITY]);
  for (const wrong of ["", "-1", "1.5", "ALL", "1e3", "10000000", "Infinity"]) assert.throws(() => parseCountOrAll(wrong), wrong);
  assert.deepEqual(
    ["0h", "12h", "30d", "2w", "1m", "1y", "1y6m", "1d12h"].map((span) => parseSpan(span) / HOUR_MS),
    [0, 12, 720, 336, 744, 8_784, 13_248, 36],
  );
  for (const wrong of ["", "30", "d", "1 d", "-1d", "1.5d", "1D", "1s", "100000d"]) assert.throws(() => parseSpan(wrong), wrong);
  assert.equal(parseEnd("2027-01-31"), Date.parse("2027-01-31T23:00:00Z"));
  assert.equal(parseEnd("2026-10-25"), Date.parse("2026-10-25T23:00:00Z"));
  assert.equal(parseEnd("2027-01-31T12:00+02:00"), Date.parse("2027-01-31T10:00:00Z"));
  assert.equal(parseEnd("2027-01-31T12:00:30Z"), Date.parse("2027-01-31T12:00:30Z"));
  for (const wrong of ["", "2027-02-29", "2027-13-01", "2027-1-1", "0050-01-01", "2027-01-31T12:00", "2027-01-31T25:00Z", "5"])
    assert.throws(() => parseEnd(wrong), wrong);
});
