import { InvalidValue, parsed } from "../arguments/options.ts";
import { STATE_OPTION, stateOf } from "../arguments/service-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { AuditHead } from "../service-library.ts";
import { auditLines } from "../text/service-text.ts";

export const auditVerifyCommand = defineCommand({
  name: "audit verify",
  summary: "Check that nobody changed the audit log",
  description: [
    "Each line of the log names the hash of the line before it. Lines that were changed, removed, moved or put in are found so.",
    "That the end was cut off, or all of it written anew, shows only to who remembers a later record: note the number and hash that are shown, on another machine, and give them to --contains the next time.",
  ],
  positionals: [],
  options: {
    contains: parsed(parseHead, { valueName: "N:HASH", help: "a record that must still be there, as an earlier run showed it" }),
    ...STATE_OPTION,
  },
  writes: "document",
  usesRepository: false,
  examples: [
    { command: "holdfast audit verify", explanation: "and note what it shows" },
    {
      command: "holdfast audit verify --contains 17:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      explanation: "what was noted before is still there",
    },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or the log is not as it was written (the lines are listed)" },
  async run(context, values) {
    const { output, world } = context;
    const { contains } = values;
    const report = await (await world.service()).verifyAudit({ ...stateOf(context, values), contains });
    const status = report.problemCount === 0 ? EXIT.done : EXIT.failed;
    if (output.mode.json) output.document({ ...report, head: report.head ?? null, exitStatus: status });
    else output.lines(auditLines(report));
    return status;
  },
});

function parseHead(value: string): AuditHead {
  const [, sequence, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(value) ?? [];
  if (sequence !== undefined && hash !== undefined) return { sequence: Number(sequence), hash };
  throw new InvalidValue("is not a number, a colon and 64 hexadecimal digits");
}
