// The result as a Markdown table for people and as plain data for programs.

import type { Case, Floor, MeasureName } from "./cases.ts";
import { figureOf, type CaseResult, type Run } from "./run.ts";
import { DISTURBED, disturbance, median } from "./measure.ts";
import type { ToolName } from "./tools.ts";

export interface ReportedTool {
  readonly name: ToolName;
  readonly title: string;
}

export interface Row {
  readonly case: string;
  readonly measure: MeasureName;
  readonly medians: Readonly<Partial<Record<ToolName, number>>>;
  /** Holdfast's median over that of the peer that needs least; absent without peers or without Holdfast. */
  readonly ratio?: number;
  readonly floor?: Floor;
  readonly met?: boolean;
}

const LABELS: Readonly<Record<MeasureName, string>> = {
  wall: "wall time",
  cpu: "CPU time",
  memory: "peak memory",
  repository: "repository size",
  added: "added bytes",
};

/** One row for each figure that the case shows. */
export function rowsOf({ case: one, runs }: Pick<CaseResult, "case" | "runs">): readonly Row[] {
  return one.shown.map((measure) => {
    const medians: Partial<Record<ToolName, number>> = {};
    for (const [name, list] of Object.entries(runs) as [ToolName, readonly Run[]][]) {
      const figures = list.map((run) => figureOf(run, measure)).filter((figure) => figure !== undefined);
      if (figures.length > 0) medians[name] = median(figures);
    }
    return { case: one.title, measure, medians, ...judgement(one, measure, medians) };
  });
}

function judgement(
  one: Case,
  measure: MeasureName,
  medians: Readonly<Partial<Record<ToolName, number>>>,
): Pick<Row, "ratio" | "floor" | "met"> {
  const own = medians.holdfast;
  const peers = [medians.restic, medians.borg].filter((figure) => figure !== undefined);
  const ratio = own === undefined || peers.length === 0 ? undefined : own / Math.min(...peers);
  const floor = one.floors.find((candidate) => candidate.measure === measure);
  const ratioPart = ratio === undefined ? {} : { ratio };
  if (floor === undefined) return ratioPart;
  if ("ratio" in floor) return ratio === undefined ? { floor } : { ...ratioPart, floor, met: ratio <= floor.ratio };
  return own === undefined ? { ...ratioPart, floor } : { ...ratioPart, floor, met: own <= floor.value };
}

/** The table of all rows. `judged` is false for data too small to say anything about speed. */
export function markdownTable(rows: readonly Row[], tools: readonly ReportedTool[], judged: boolean): string {
  const head = ["case", "measure", ...tools.map(({ title }) => title), "ratio", "at most", "met"];
  const lines = [head, head.map((_, column) => (column < 2 ? "---" : "--:"))];
  let previous = "";
  for (const row of rows) {
    lines.push([
      row.case === previous ? "" : row.case,
      LABELS[row.measure],
      ...tools.map(({ name }) => figureText(row.measure, row.medians[name])),
      row.ratio === undefined ? "" : `${row.ratio.toFixed(2)} ×`,
      floorText(row),
      judged && row.met !== undefined ? (row.met ? "yes" : "**no**") : "",
    ]);
    previous = row.case;
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** Sentences about runs during which something else kept the machine busy. */
export function disturbances(results: readonly CaseResult[]): readonly string[] {
  return results.flatMap(({ case: one, runs }) =>
    (Object.entries(runs) as [ToolName, readonly Run[]][]).flatMap(([name, list]) => {
      const worst = Math.max(...list.map(disturbance));
      // Too short to be told from the bookkeeping around it.
      const tooShort = one.kind === "version" || one.kind === "list";
      return worst < DISTURBED || tooShort
        ? []
        : [`${one.id}, ${name}: up to ${Math.round(worst * 100)} % of the processors were busy with something else`];
    }),
  );
}

function figureText(measure: MeasureName, figure: number | undefined): string {
  if (figure === undefined) return "";
  if (measure === "wall" || measure === "cpu") return figure < 1 ? `${Math.round(figure * 1000)} ms` : `${figure.toFixed(2)} s`;
  const mib = figure / 2 ** 20;
  return `${mib.toFixed(mib < 100 ? 1 : 0)} MiB`;
}

function floorText({ floor }: Row): string {
  if (floor === undefined) return "";
  return "ratio" in floor ? `${floor.ratio.toFixed(2)} ×` : figureText(floor.measure, floor.value);
}
