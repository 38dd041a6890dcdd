import { HoldfastError } from "../../base/errors.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-status.ts";
import type { AgentEnrolment } from "../service-library.ts";
import { enrolmentFields } from "../text/service-text.ts";
import { tableLines } from "../text/table.ts";

interface Status {
  readonly enrolment: AgentEnrolment;
  /** What kept the server from answering as it should. */
  readonly problem: HoldfastError | undefined;
}

export const agentStatusCommand = defineCommand({
  name: "agent status",
  summary: "Show the servers that this user is a client of",
  description: ["Asks each server whether it still knows this client, and with which role."],
  positionals: [],
  options: {},
  writes: "document",
  usesRepository: false,
  examples: [{ command: "holdfast agent status", explanation: "whether backups would get through" }],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or a server could not be reached or refused" },
  async run(context) {
    const { output, world } = context;
    const enrolments = await (await world.service()).enrolments();
    const statuses = await Promise.all(enrolments.map((enrolment) => statusOf(context, enrolment)));
    if (output.mode.json) {
      const servers = statuses.map(({ enrolment, problem }) => ({
        ...enrolmentFields(enrolment),
        problem: problem === undefined ? null : { code: problem.code, message: problem.message },
      }));
      output.document({ servers });
    } else if (statuses.length === 0) {
      if (!output.mode.quiet) output.message("This user is no client of any server: see `holdfast agent enrol --help`.");
    } else {
      const rows = statuses.map(({ enrolment, problem }) => [
        enrolment.url,
        enrolment.client,
        enrolment.role,
        problem === undefined ? "welcome" : problem.message,
      ]);
      const titles = ["SERVER", "CLIENT", "ROLE", "ANSWER"].map((title) => ({ title }));
      output.lines(tableLines(titles, rows));
    }
    return statuses.some(({ problem }) => problem !== undefined) ? EXIT.failed : EXIT.done;
  },
});

/** A role may have changed on the server: its word counts. */
async function statusOf({ world }: CommandContext, enrolment: AgentEnrolment): Promise<Status> {
  try {
    const { client, role } = await (await world.service()).standing({ url: enrolment.url, signal: world.signal });
    return { enrolment: { ...enrolment, client, role }, problem: undefined };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { enrolment, problem: error };
  }
}
