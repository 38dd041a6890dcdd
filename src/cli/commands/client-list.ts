import { STATE_OPTION, stateOf } from "../arguments/service-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { tableLines } from "../text/table.ts";
import { formatTime, isoTime } from "../text/units.ts";

const KEY_DIGITS = 16;

export const clientListCommand = defineCommand({
  name: "client list",
  summary: "List the clients of this server",
  description: ["Lists who is a client, who was one and is revoked, and who is invited. Keys are shown by their first digits."],
  positionals: [],
  options: STATE_OPTION,
  writes: "document",
  usesRepository: false,
  examples: [{ command: "holdfast client list", explanation: "of the server whose state is in your configuration directory" }],
  exitStatuses: [],
  async run(context, values) {
    const { output, world } = context;
    const { clients, invitations } = await (await world.service()).clients(stateOf(context, values));
    const nowMs = world.clock.now();
    if (output.mode.json) {
      output.document({
        clients: clients.map(({ name, role, key, enrolledAtMs, revokedAtMs }) => ({
          name,
          role,
          key,
          enrolledAt: isoTime(enrolledAtMs),
          revokedAt: revokedAtMs === undefined ? null : isoTime(revokedAtMs),
        })),
        invitations: invitations.map(({ name, role, createdAtMs, expiresAtMs }) => ({
          name,
          role,
          createdAt: isoTime(createdAtMs),
          expiresAt: isoTime(expiresAtMs),
          isExpired: expiresAtMs <= nowMs,
        })),
      });
      return EXIT.done;
    }
    const rows = [
      ...clients.map(({ name, role, key, enrolledAtMs, revokedAtMs }) => {
        const state = revokedAtMs === undefined ? "enrolled" : "revoked";
        return [name, role, state, formatTime(revokedAtMs ?? enrolledAtMs), key.slice(0, KEY_DIGITS)];
      }),
      ...invitations.map(({ name, role, expiresAtMs }) => {
        return [name, role, expiresAtMs <= nowMs ? "expired" : "invited until", formatTime(expiresAtMs), ""];
      }),
    ];
    const titles = ["NAME", "ROLE", "STATE", "TIME", "KEY"].map((title) => ({ title }));
    if (rows.length > 0) output.lines(tableLines(titles, rows));
    else if (!output.mode.quiet) output.message("There are no clients yet: `holdfast client add NAME` invites one.");
    return EXIT.done;
  },
});
