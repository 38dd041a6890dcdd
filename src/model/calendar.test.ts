import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HOUR_MS, PERIODS, calendarIn } from "./calendar.ts";

const at = (time: string): number => Date.parse(time);

describe("a calendar", () => {
  test("names the periods of an instant as the people of its time zone do", () => {
    assert.deepEqual(calendarIn("UTC")(at("2026-11-20T23:30:00Z")), {
      hourly: "2026-11-20 23:00+00:00",
      daily: "2026-11-20",
      weekly: "2026-W47",
      monthly: "2026-11",
      yearly: "2026",
    });
    assert.deepEqual(calendarIn("Asia/Kolkata")(at("2026-12-31T19:00:00Z")), {
      hourly: "2027-01-01 00:00+05:30",
      daily: "2027-01-01",
      weekly: "2026-W53",
      monthly: "2027-01",
      yearly: "2027",
    });
    assert.equal(calendarIn("America/New_York")(0).hourly, "1969-12-31 19:00-05:00");
  });

  test("counts weeks as ISO 8601 does", () => {
    const weeks = {
      "2021-01-03": "2020-W53",
      "2021-01-04": "2021-W01",
      "2024-12-29": "2024-W52",
      "2024-12-30": "2025-W01",
      "2026-01-01": "2026-W01",
      "2026-12-31": "2026-W53",
      "2027-01-03": "2026-W53",
      "2027-01-04": "2027-W01",
    };
    const utc = calendarIn("UTC");
    assert.deepEqual(Object.fromEntries(Object.keys(weeks).map((day) => [day, utc(at(`${day}T12:00:00Z`)).weekly])), weeks);
    assert.equal(calendarIn("America/New_York")(0).weekly, "1970-W01");
  });

  test("tells the two hours apart that have one name when summer time ends", () => {
    const berlin = calendarIn("Europe/Berlin");
    const hours = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map((time) => berlin(at(time)).hourly);
    assert.deepEqual(hours, ["2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00"]);
  });

  test("has one hour after the other, in zones of every kind", () => {
    for (const zone of ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]) {
      const calendar = calendarIn(zone);
      const names = [
        ...Array.from({ length: 1_000 }, (_, hour) => calendar(at("2026-03-10T00:15:00Z") + hour * HOUR_MS).hourly),
        ...Array.from({ length: 1_000 }, (_, hour) => calendar(at("2026-09-20T00:15:00Z") + hour * HOUR_MS).hourly),
      ];
      assert.equal(new Set(names).size, names.length, zone);
    }
  });

  test("gives times that no calendar reaches a name all the same", () => {
    for (const time of [0, -1, 2 ** 53 - 1]) {
      const named = calendarIn("Pacific/Kiritimati")(time);
      for (const period of PERIODS) assert.doesNotMatch(named[period], /NaN|undefined/);
    }
  });

  test("does not exist for a time zone that does not", () => {
    assert.throws(() => calendarIn("Europe/Atlantis"), { code: "USAGE", message: 'There is no time zone "Europe/Atlantis"' });
  });
});
