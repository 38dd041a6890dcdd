import type { CommandContext } from "../context.ts";
import type { StateOption } from "../service-library.ts";
import { text } from "./options.ts";

export const STATE_OPTION = {
  state: text({
    valueName: "DIR",
    completes: "directory",
    help: "where the server keeps its clients; otherwise in your configuration directory",
  }),
};

export function stateOf(context: CommandContext, { state }: { readonly state: string | undefined }): StateOption {
  return { state: state === undefined ? undefined : context.absolute(state) };
}
