// The benchmark: `npm run bench -- --help`. README.md beside this file says how it measures and why.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { requireDataset, type DatasetName, type DatasetOptions } from "./datasets.ts";
import { occupy } from "./files.ts";
import { HELP, readOptions, type Options } from "./options.ts";
import { obtainTime } from "./peers.ts";
import { disturbances, markdownTable, rowsOf, type Row } from "./report.ts";
import { runCases, type CaseResult } from "./run.ts";
import { openTool, type Tool } from "./tools.ts";

const PROJECT_DIRECTORY = path.dirname(import.meta.dirname);

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = readOptions(args, PROJECT_DIRECTORY);
  } catch (error) {
    say(`${messageOf(error)}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const { directory, mirror, scale, holdfast } = options;
  using _occupied = occupy(directory);
  const peerOptions = { directory, mirror, say };
  const data: DatasetOptions = { directory: path.join(directory, "data"), scale, mirror, say };
  const time = obtainTime(peerOptions);
  const tools = options.tools.map((name) => openTool(name, { ...peerOptions, projectDirectory: PROJECT_DIRECTORY, holdfast }));
  for (const { title, command } of tools) say(`${title}: ${command.join(" ")}`);
  if (options.prepare) {
    for (const name of new Set<DatasetName>(options.cases.map(({ dataset }) => dataset))) {
      const { tree, description } = await requireDataset(name, options.cases.some(needsNext), data);
      say(`${name}: ${description} in ${tree}`);
    }
    return 0;
  }
  return await compare(options, tools, time, data);
}

async function compare(options: Options, tools: readonly Tool[], time: string, data: DatasetOptions): Promise<number> {
  const started = new Date();
  const results: CaseResult[] = [];
  const { runs, patienceSeconds, directory, scale } = options;
  const judged = scale === "full";
  const save = () => saveResult(options, tools, started, results);
  // Saved after every case: a benchmark of an hour that fails at the end has not been for nothing.
  const work = path.join(directory, "work");
  await runCases(options.cases, tools, { runs, patienceSeconds, time, work, data, say }, (result) => {
    results.push(result);
    save();
  });
  const rows = results.flatMap(rowsOf);
  process.stdout.write(`\n${markdownTable(rows, tools, judged)}\n${footnote(options, tools)}\n`);
  for (const line of disturbances(results)) say(`disturbed: ${line}`);
  say(`result: ${save()}`);
  return judged && rows.some((row) => row.met === false) ? 3 : 0;
}

function footnote({ runs, scale }: Options, tools: readonly Tool[]): string {
  const processors = os.cpus();
  const machine = `${processors.length} × ${processors[0]?.model ?? "unknown processor"}, ${Math.round(os.totalmem() / 2 ** 30)} GiB of memory`;
  const own = tools.find(({ name }) => name === "holdfast")?.command.map((part) => path.relative(PROJECT_DIRECTORY, part));
  const started = own === undefined ? "" : ` Holdfast is started as \`${own.join(" ")}\`.`;
  const size = scale === "full" ? "" : " The data is of the small scale: these figures say nothing about speed.";
  return `Medians of ${runs}, ${machine}, caches warm. Ratio: Holdfast against the better peer of the row.${started}${size}`;
}

function saveResult(options: Options, tools: readonly Tool[], started: Date, results: readonly CaseResult[]): string {
  const rows: readonly Row[] = results.flatMap(rowsOf);
  const directory = path.join(options.directory, "results");
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, `${started.toISOString().replaceAll(":", "-").replace(/\.\d+/, "")}.json`);
  const content = {
    started: started.toISOString(),
    scale: options.scale,
    runs: options.runs,
    machine: {
      processors: os.cpus().map(({ model }) => model),
      memoryBytes: os.totalmem(),
      system: `${os.type()} ${os.release()} ${os.arch()}`,
      node: process.version,
    },
    tools: tools.map(({ name, title, command }) => ({ name, title, command })),
    rows,
    cases: results.map(({ case: { id, title }, dataset, runs }) => ({ id, title, dataset, runs })),
  };
  fs.writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
  fs.writeFileSync(
    file.replace(/json$/, "md"),
    `${markdownTable(rows, tools, options.scale === "full")}\n${footnote(options, tools)}\n`,
  );
  return file;
}

const needsNext = ({ kind }: { readonly kind: string }) => kind === "next";

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
