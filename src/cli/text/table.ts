import { safeText } from "./safe-text.ts";
import { padEnd, padStart, widthOf } from "./text-width.ts";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/** Aligned lines: a heading, then one line for each row. Cells are made safe to show. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(safeText))];
  return alignedLines(
    cells,
    columns.map(({ align }) => align ?? "left"),
  );
}

/** "name  value" lines, indented by two, with the values below each other. */
export function listLines(rows: readonly (readonly [string, string])[]): string[] {
  const safe = rows.map((row) => row.map(safeText));
  return alignedLines(safe, ["left", "left"]).map((line) => `  ${line}`);
}

function alignedLines(rows: readonly (readonly string[])[], aligns: readonly ("left" | "right")[]): string[] {
  const widths = aligns.map((_, position) => rows.reduce((widest, row) => Math.max(widest, widthOf(row[position] ?? "")), 0));
  return rows.map((row) =>
    aligns
      .map((align, position) => (align === "right" ? padStart : padEnd)(row[position] ?? "", widths[position] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
