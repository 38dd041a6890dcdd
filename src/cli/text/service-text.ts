import type { AgentEnrolment, AuditReport } from "../service-library.ts";
import { counted, isoTime } from "./units.ts";

/** What `--json` says of an enrolment (docs/scripting.md). */
export function enrolmentFields({ url, client, role, repository, serverKey, key, enrolledAtMs }: AgentEnrolment) {
  return { url, client, role, repository, serverKey, key, enrolledAt: isoTime(enrolledAtMs) };
}

export function auditLines({ records, head, problems, problemCount, recoveries, tornBytes }: AuditReport): string[] {
  const more = problemCount - problems.length;
  return [
    ...problems.map(({ line, problem }) => `line ${line}: ${problem}`),
    ...(more > 0 ? [`and ${counted(more, "more problem")}`] : []),
    `Checked ${counted(records, "record")}: ${problemCount === 0 ? "the chain is whole" : counted(problemCount, "problem")}.`,
    ...(recoveries > 0 ? [`${counted(recoveries, "time")} a crash left something that is no record; it is accounted for.`] : []),
    ...(tornBytes > 0
      ? [`${counted(tornBytes, "byte")} at the end are no record yet: a crash left them, or one is being written.`]
      : []),
    ...(head === undefined ? [] : [`The last record is ${head.sequence}:${head.hash}`]),
  ];
}
