// All commands, in the order in which help shows them. Each is loaded when it is needed: a start costs one command, not all.

import type { CommandDefinition } from "./command.ts";

export interface CommandEntry {
  readonly name: string;
  readonly load: () => Promise<CommandDefinition>;
}

/** A noun whose verbs are the commands: holdfast key add. */
export interface NounEntry {
  readonly name: string;
  readonly summary: string;
  readonly verbs: readonly CommandEntry[];
}

export interface Section {
  readonly title: string;
  readonly entries: readonly (CommandEntry | NounEntry)[];
}

export const SECTIONS: readonly Section[] = [
  {
    title: "Everyday work",
    entries: [
      { name: "init", load: async () => (await import("./commands/init.ts")).initCommand },
      { name: "backup", load: async () => (await import("./commands/backup.ts")).backupCommand },
      { name: "images", load: async () => (await import("./commands/images.ts")).imagesCommand },
      { name: "ls", load: async () => (await import("./commands/ls.ts")).lsCommand },
      { name: "find", load: async () => (await import("./commands/find.ts")).findCommand },
      { name: "diff", load: async () => (await import("./commands/diff.ts")).diffCommand },
      { name: "restore", load: async () => (await import("./commands/restore.ts")).restoreCommand },
      { name: "dump", load: async () => (await import("./commands/dump.ts")).dumpCommand },
      { name: "verify", load: async () => (await import("./commands/verify.ts")).verifyCommand },
    ],
  },
  {
    title: "The repository",
    entries: [
      {
        name: "key",
        summary: "Passphrases that open the repository",
        verbs: [
          { name: "add", load: async () => (await import("./commands/key-add.ts")).keyAddCommand },
          { name: "list", load: async () => (await import("./commands/key-list.ts")).keyListCommand },
          { name: "remove", load: async () => (await import("./commands/key-remove.ts")).keyRemoveCommand },
          { name: "change", load: async () => (await import("./commands/key-change.ts")).keyChangeCommand },
        ],
      },
      { name: "tag", load: async () => (await import("./commands/tag.ts")).tagCommand },
      { name: "prune", load: async () => (await import("./commands/prune.ts")).pruneCommand },
      { name: "hold", load: async () => (await import("./commands/hold.ts")).holdCommand },
      { name: "forget", load: async () => (await import("./commands/forget.ts")).forgetCommand },
      { name: "stats", load: async () => (await import("./commands/stats.ts")).statsCommand },
      { name: "cat", load: async () => (await import("./commands/cat.ts")).catCommand },
      { name: "repair", load: async () => (await import("./commands/repair.ts")).repairCommand },
      { name: "rebuild-index", load: async () => (await import("./commands/rebuild-index.ts")).rebuildIndexCommand },
    ],
  },
  {
    title: "Servers",
    entries: [
      { name: "serve", load: async () => (await import("./commands/serve.ts")).serveCommand },
      {
        name: "client",
        summary: "Who may use this server",
        verbs: [
          { name: "add", load: async () => (await import("./commands/client-add.ts")).clientAddCommand },
          { name: "list", load: async () => (await import("./commands/client-list.ts")).clientListCommand },
          { name: "revoke", load: async () => (await import("./commands/client-revoke.ts")).clientRevokeCommand },
        ],
      },
      {
        name: "agent",
        summary: "Which servers this user is a client of",
        verbs: [
          { name: "enrol", load: async () => (await import("./commands/agent-enrol.ts")).agentEnrolCommand },
          { name: "status", load: async () => (await import("./commands/agent-status.ts")).agentStatusCommand },
        ],
      },
      {
        name: "audit",
        summary: "The audit log of this server",
        verbs: [{ name: "verify", load: async () => (await import("./commands/audit-verify.ts")).auditVerifyCommand }],
      },
    ],
  },
  {
    title: "The program",
    entries: [
      { name: "demo", load: async () => (await import("./commands/demo.ts")).demoCommand },
      { name: "completion", load: async () => (await import("./commands/completion.ts")).completionCommand },
      { name: "help", load: async () => (await import("./commands/help.ts")).helpCommand },
      { name: "version", load: async () => (await import("./commands/version.ts")).versionCommand },
    ],
  },
];

export function isNoun(entry: CommandEntry | NounEntry): entry is NounEntry {
  return "verbs" in entry;
}

export const ENTRIES: readonly (CommandEntry | NounEntry)[] = SECTIONS.flatMap(({ entries }) => entries);

/** Every command that can be run, nouns resolved into their verbs. */
export function loadAllCommands(): Promise<readonly CommandDefinition[]> {
  return Promise.all(ENTRIES.flatMap((entry) => (isNoun(entry) ? entry.verbs : [entry])).map(({ load }) => load()));
}
