import { allOptions, firstWords, namesOf, type CompletedCommand, type CompletedOption, type CompletionModel } from "./words.ts";

/** A script for bash 4 and later, with or without the bash-completion package. */
export function bashCompletion(model: CompletionModel): string {
  const options = allOptions(model);
  const valued = options.filter(({ takes }) => takes === "value");
  return `# Completion of holdfast for bash. To have it in every shell, add to ~/.bashrc:
#   source <(holdfast completion bash)

_holdfast_words() {
  compopt +o default 2>/dev/null
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}

_holdfast() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local command="" verb="" word i count=0
  COMPREPLY=()

  # Bash takes --option=value apart: "--option", "=", "value".
  if [[ $current == "=" ]]; then
    current=""
  elif [[ $previous == "=" ]]; then
    previous=\${COMP_WORDS[COMP_CWORD-2]}
  fi

  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${valued.flatMap(namesOf).join("|")})
        ((i++))
        [[ \${COMP_WORDS[i]} == "=" ]] && ((i++))
        ;;
      --)
        return
        ;;
      -*) ;;
      *)
        if [[ -z $command ]]; then
          command=$word
        elif [[ -z $verb && " ${model.nouns.map(({ name }) => name).join(" ")} " == *" $command "* ]]; then
          verb=$word
        else
          ((count++))
        fi
        ;;
    esac
  done

  case $previous in
${valued.map(valueCase).join("")}  esac

  if [[ $current == -* ]]; then
    case "$command $verb" in
${model.commands.map((command) => optionCase(command, model.globals)).join("")}      *) _holdfast_words "${longNames(model.globals)}" ;;
    esac
    return
  fi

  case "$command $verb" in
    " ") _holdfast_words "${firstWords(model)
      .map(({ name }) => name)
      .join(" ")}" ;;
${model.nouns.map(({ name, verbs }) => `    "${name} ") _holdfast_words "${verbs.join(" ")}" ;;\n`).join("")}${model.commands.map(positionalCase).join("")}  esac
}

complete -o default -F _holdfast holdfast
`;
}

function valueCase(option: CompletedOption): string {
  const names = namesOf(option).join("|");
  return `    ${names})\n      ${valueAction(option)}\n      return\n      ;;\n`;
}

function valueAction({ choices, completes }: CompletedOption): string {
  if (choices.length > 0) return `_holdfast_words "${choices.join(" ")}"`;
  return actionOf(completes);
}

/** Doing nothing leaves it to the shell, which offers files. */
function actionOf(completes: CompletedOption["completes"]): string {
  return {
    file: ":",
    directory: ":",
    command: ":",
    image: '_holdfast_words "latest"',
    nothing: '_holdfast_words ""',
  }[completes];
}

function optionCase({ words, options }: CompletedCommand, globals: readonly CompletedOption[]): string {
  return `      "${words.join(" ")}${words.length === 1 ? " " : ""}") _holdfast_words "${longNames([...options, ...globals])}" ;;\n`;
}

function positionalCase({ words, positionals, isOpenEnded }: CompletedCommand): string {
  const name = `"${words.join(" ")}${words.length === 1 ? " " : ""}"`;
  const lines = positionals.map(({ completes }, position) => {
    const isRest = isOpenEnded && position === positionals.length - 1;
    return `        ${isRest ? "*" : String(position)}) ${actionOf(completes)} ;;\n`;
  });
  if (!isOpenEnded) lines.push(`        *) ${actionOf("nothing")} ;;\n`);
  return `    ${name})\n      case $count in\n${lines.join("")}      esac\n      ;;\n`;
}

function longNames(options: readonly CompletedOption[]): string {
  return options.map(({ long, takes }) => (takes === "maybe a value" ? `${long} ${long}=` : long)).join(" ");
}
