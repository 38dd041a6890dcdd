import type { ForgetOptions, RetentionRules } from "../library.ts";
import { withoutUndefined } from "../text/without-undefined.ts";
import { list, parseCountOrAll, parseSpan, parsed, type Option, type Values } from "./options.ts";

const section = "What to keep of every source";

function count(help: string): Option<number | undefined> {
  return parsed(parseCountOrAll, { section, valueName: "N", help });
}

function span(help: string): Option<number | undefined> {
  return parsed(parseSpan, { section, valueName: "SPAN", help });
}

/** Rules of retention. An image stays when any of them keeps it. */
export const KEEP_OPTIONS = {
  "keep-last": count('the newest N images; N is a number or "all", here and below'),
  "keep-hourly": count("one image of each of the newest N hours that have any"),
  "keep-daily": count("one of each of the newest N days that have any"),
  "keep-weekly": count("the same for weeks, which begin on Mondays"),
  "keep-monthly": count("the same for months"),
  "keep-yearly": count("the same for years"),
  "keep-within": span("all images younger than SPAN, named ones too; SPAN is 12h, 30d, 8w, 6m, 1y or 1y6m"),
  "keep-within-hourly": span("one image of every hour as far back as SPAN"),
  "keep-within-daily": span("the same for days"),
  "keep-within-weekly": span("the same for weeks"),
  "keep-within-monthly": span("the same for months"),
  "keep-within-yearly": span("the same for years"),
  "keep-tag": list({ section, valueName: "TAG", help: "all images that carry this tag" }),
};

type KeepValues = Values<typeof KEEP_OPTIONS>;

/** Undefined when no rule was given; --keep-within is no rule, but the floor under all of them. */
export function rulesOf(values: KeepValues): RetentionRules | undefined {
  const within = withoutUndefined({
    hourly: values["keep-within-hourly"],
    daily: values["keep-within-daily"],
    weekly: values["keep-within-weekly"],
    monthly: values["keep-within-monthly"],
    yearly: values["keep-within-yearly"],
  });
  const tags = values["keep-tag"];
  const rules: RetentionRules = withoutUndefined({
    last: values["keep-last"],
    hourly: values["keep-hourly"],
    daily: values["keep-daily"],
    weekly: values["keep-weekly"],
    monthly: values["keep-monthly"],
    yearly: values["keep-yearly"],
    within: Object.keys(within).length > 0 ? within : undefined,
    tags: tags.length > 0 ? tags : undefined,
  });
  return Object.keys(rules).length > 0 ? rules : undefined;
}

export function keepOptionsOf(values: KeepValues): Pick<ForgetOptions, "rules" | "keepWithinMs"> {
  return withoutUndefined({ rules: rulesOf(values), keepWithinMs: values["keep-within"] });
}
