import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError } from "../../base/errors.ts";
import {
  choice,
  flag,
  list,
  optionallyParsed,
  parseCount,
  parsed,
  parseFraction,
  parsePercent,
  requiredText,
  text,
} from "./options.ts";
import { isGiven, parseArguments, takeFirstWord } from "./parse-arguments.ts";
import { nearest } from "./suggestion.ts";

const OPTIONS = {
  quiet: flag({ short: "q", help: "" }),
  name: text({ short: "n", valueName: "NAME", help: "" }),
  exclude: list({ short: "e", valueName: "GLOB", help: "" }),
  level: choice(["off", "best"] as const, { valueName: "LEVEL", help: "" }),
  share: parsed(parseFraction, { valueName: "SHARE", help: "" }),
  "read-data": optionallyParsed(parsePercent, 1, { valueName: "PERCENT", help: "" }),
};

function parse(...words: string[]) {
  return parseArguments(words, OPTIONS, "holdfast try");
}

function complaint(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert(error instanceof HoldfastError);
    assert.equal(error.code, "USAGE");
    return `${error.message} | ${error.hint ?? ""}`;
  }
  return assert.fail("nothing was wrong");
}

describe("words become values", () => {
  test("with every way of writing them", () => {
    assert.deepEqual(parse("-q", "a", "--name", "x", "-ex", "--exclude=y", "-e", "z", "--level=best", "b", "--share", "1/30"), {
      values: { quiet: true, name: "x", exclude: ["x", "y", "z"], level: "best", share: 1 / 30, "read-data": undefined },
      positionals: ["a", "b"],
      afterTerminator: undefined,
    });
  });

  test("where absent options have their own value", () => {
    const { values } = parse();
    assert.deepEqual(values, {
      quiet: false,
      name: undefined,
      exclude: [],
      level: undefined,
      share: undefined,
      "read-data": undefined,
    });
  });

  test("and the last of several counts", () => {
    assert.equal(parse("--name", "a", "-n", "b").values["name"], "b");
  });

  test("with optional values only behind an equals sign", () => {
    assert.equal(parse("--read-data").values["read-data"], 1);
    assert.equal(parse("--read-data=5%").values["read-data"], 0.05);
    assert.deepEqual(parse("--read-data", "5").positionals, ["5"]);
  });

  test("and what follows two dashes is left alone", () => {
    const { positionals, afterTerminator } = parse("a", "--", "-q", "--", "--bogus");
    assert.deepEqual({ positionals, afterTerminator }, { positionals: ["a"], afterTerminator: ["-q", "--", "--bogus"] });
  });

  test("a dash alone is a word, and a value", () => {
    assert.deepEqual(parse("-", "--name", "-").positionals, ["-"]);
    assert.equal(parse("--name", "-").values["name"], "-");
  });
});

describe("complaints name the option and what was expected", () => {
  for (const [words, expected] of [
    [["--exlude", "x"], "holdfast try has no option --exlude | Did you mean --exclude?"],
    [["-z"], "holdfast try has no option -z | `holdfast try --help` shows how it is used."],
    [["-qz"], "holdfast try has no option -z | `holdfast try --help` shows how it is used."],
    [["--name"], "The option --name needs a value: --name NAME | `holdfast try --help` shows how it is used."],
    [["-n", "--quiet"], 'The option -n needs a value: -n NAME | If the value really is "--quiet", write --name=--quiet.'],
    [["--name="], "The value of --name is empty | `holdfast try --help` shows how it is used."],
    [["--quiet=yes"], "The option --quiet takes no value | `holdfast try --help` shows how it is used."],
    [["--level", "high"], 'The value of --level, "high", is not one of off, best | `holdfast try --help` shows how it is used.'],
    [
      ["--share", "2"],
      'The value of --share, "2", is not a share between nothing and everything | `holdfast try --help` shows how it is used.',
    ],
    [["--constructor"], "holdfast try has no option --constructor | `holdfast try --help` shows how it is used."],
    [["--__proto__=1"], "holdfast try has no option --__proto__ | `holdfast try --help` shows how it is used."],
  ] as const) {
    test(`for ${words.join(" ")}`, () => {
      assert.equal(
        complaint(() => parse(...words)),
        expected,
      );
    });
  }

  test("for a required option that is missing", () => {
    const options = { target: requiredText({ valueName: "DIR", help: "" }) };
    const expected = "holdfast try needs the option --target DIR | `holdfast try --help` shows how it is used.";
    assert.equal(
      complaint(() => parseArguments([], options, "holdfast try")),
      expected,
    );
  });
});

describe("the first word", () => {
  test("is found behind options and their values", () => {
    assert.deepEqual(takeFirstWord(["-q", "--name", "x", "backup", "y", "--bogus"], OPTIONS, "holdfast"), {
      word: "backup",
      rest: ["-q", "--name", "x", "y", "--bogus"],
    });
    assert.equal(takeFirstWord(["-q"], OPTIONS, "holdfast"), undefined);
    assert.equal(takeFirstWord(["--", "backup"], OPTIONS, "holdfast"), undefined);
  });

  test("is not guessed behind an unknown option", () => {
    assert.match(
      complaint(() => takeFirstWord(["--bogus", "backup"], OPTIONS, "holdfast")),
      /^holdfast has no option --bogus/,
    );
  });

  test("does not hide an option that is asked for", () => {
    assert.equal(isGiven(["--bogus", "-q"], OPTIONS, "quiet"), true);
    assert.equal(isGiven(["--name", "-q"], OPTIONS, "quiet"), false);
    assert.equal(isGiven(["--", "-q"], OPTIONS, "quiet"), false);
  });
});

test("shares and counts are read in the ways people write them", () => {
  assert.deepEqual(["1/30", "0.05", "5%", "0", "1", "100%"].map(parseFraction), [1 / 30, 0.05, 0.05, 0, 1, 1]);
  assert.deepEqual(["5", "5%", "0.5", "100"].map(parsePercent), [0.05, 0.05, 0.005, 1]);
  for (const wrong of ["", "1/0", "101%", "-1", "x", "1e-3", "Infinity", "5%%"]) assert.throws(() => parseFraction(wrong), wrong);
  for (const wrong of ["101", "", "all"]) assert.throws(() => parsePercent(wrong), wrong);
  assert.equal(parseCount("16"), 16);
  for (const wrong of ["0", "-1", "1.5", "x", "1e3", "10000000"]) assert.throws(() => parseCount(wrong), wrong);
});

test("a suggestion is near, or there is none", () => {
  const known = ["backup", "images", "rebuild-index", "ls", "restore"];
  const typed = ["bakcup", "backups", "image", "rebuild", "l", "resotre", "frobnicate", "x"];
  assert.deepEqual(
    typed.map((word) => nearest(word, known)),
    ["backup", "backup", "images", "rebuild-index", "ls", "restore", undefined, undefined],
  );
});
