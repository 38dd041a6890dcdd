import { firstWords, type CompletedCommand, type CompletedOption, type CompletionModel } from "./words.ts";

/** A function for zsh's own completion system. */
export function zshCompletion(model: CompletionModel): string {
  const singles = model.commands.filter(({ words }) => words.length === 1);
  return `#compdef holdfast
# Completion of holdfast for zsh. Put it where zsh looks for functions, before compinit runs:
#   holdfast completion zsh > "\${fpath[1]}/_holdfast"

_holdfast() {
  local context state state_descr line ret=1
  local -a globals commands verbs
  typeset -A opt_args
  globals=(
${model.globals.map((option) => optionLine(option, "    ")).join("")}  )
  commands=(
${firstWords(model)
  .map(({ name, summary }) => `    ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}\n`)
  .join("")}  )

  _arguments -C $globals '1:command:->command' '*::argument:->argument' && ret=0
  case $state in
    command) _describe -t commands command commands && ret=0 ;;
    argument)
      case $line[1] in
${singles.map((command) => commandCase(command, command.words[0] ?? "", "        ")).join("")}${model.nouns
    .map(({ name }) => nounCase(name, model))
    .join("")}      esac
      ;;
  esac
  return ret
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _holdfast "$@"
else
  compdef _holdfast holdfast
fi
`;
}

function nounCase(noun: string, { commands }: CompletionModel): string {
  const verbs = commands.filter(({ words }) => words.length === 2 && words[0] === noun);
  return `        ${noun})
          verbs=(
${verbs.map(({ words, summary }) => `            ${quoted(`${words[1] ?? ""}:${summary.replaceAll(":", "\\:")}`)}\n`).join("")}          )
          _arguments -C $globals '1:verb:->verb' '*::argument:->verb-argument' && ret=0
          case $state in
            verb) _describe -t verbs verb verbs && ret=0 ;;
            verb-argument)
              case $line[1] in
${verbs.map((command) => commandCase(command, command.words[1] ?? "", "                ")).join("")}              esac
              ;;
          esac
          ;;
`;
}

function commandCase({ options, positionals, isOpenEnded }: CompletedCommand, word: string, indent: string): string {
  const specifications = [
    ...options.map((option) => optionLine(option, `${indent}    `)),
    ...positionals.map(({ name, completes }, position) => {
      const place = isOpenEnded && position === positionals.length - 1 ? "*" : String(position + 1);
      return `${indent}    ${quoted(`${place}:${name}:${actionOf({ completes, choices: [] })}`)}\n`;
    }),
  ].flatMap((lines) => lines.trimEnd().split("\n"));
  return `${indent}${word})\n${indent}  _arguments $globals \\\n${specifications.map((line) => `${line} \\\n`).join("")}${indent}    && ret=0\n${indent}  ;;\n`;
}

function optionLine(option: CompletedOption, indent: string): string {
  const { long, short, takes, valueName, help, isRepeatable } = option;
  const explanation = `[${help.replace(/[[\]]/g, "\\$&")}]`;
  const value = takes === "nothing" ? "" : `${takes === "value" ? "" : ":"}:${valueName}:${actionOf(option)}`;
  const end = { nothing: "", value: "=", "maybe a value": "=-" }[takes];
  if (short === undefined) return `${indent}${quoted(`${isRepeatable ? "*" : ""}${long}${end}${explanation}${value}`)}\n`;
  // Either name rules the other out, unless it may come again.
  const exclusion = isRepeatable ? "*" : `(${short} ${long})`;
  const shortEnd = takes === "value" ? "+" : "";
  return [
    `${indent}${quoted(`${exclusion}${short}${shortEnd}${explanation}${value}`)}\n`,
    `${indent}${quoted(`${exclusion}${long}${end}${explanation}${value}`)}\n`,
  ].join("");
}

function actionOf({ choices, completes }: Pick<CompletedOption, "choices" | "completes">): string {
  if (choices.length > 0) return `(${choices.join(" ")})`;
  return { file: "_files", directory: "_files -/", command: "_command_names", image: "(latest)", nothing: "" }[completes];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
