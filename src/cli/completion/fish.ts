import { allOptions, firstWords, namesOf, type CompletedCommand, type CompletedOption, type CompletionModel } from "./words.ts";

export function fishCompletion(model: CompletionModel): string {
  const valued = allOptions(model)
    .filter(({ takes }) => takes === "value")
    .flatMap(namesOf);
  const lines = [
    ...model.globals.map((option) => optionLine(option, undefined)),
    ...firstWords(model).map(({ name, summary }) => wordLine("__holdfast_at", name, summary)),
    ...model.commands
      .filter(({ words }) => words.length === 2)
      .map(({ words: [noun = "", verb = ""], summary }) => {
        return wordLine(`__holdfast_at ${noun}`, verb, summary);
      }),
    ...model.commands.flatMap(commandLines),
  ];
  return `# Completion of holdfast for fish. To have it in every shell:
#   holdfast completion fish > ~/.config/fish/completions/holdfast.fish

# The words so far that are neither options nor their values.
function __holdfast_words
    set -l words (commandline -opc)
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${valued.join(" ")}
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# Whether exactly these words were typed.
function __holdfast_at
    set -l words (__holdfast_words)
    test "$words" = "$argv"
end

# Whether the words begin with these: the command is known.
function __holdfast_in
    set -l words (__holdfast_words)
    set -l wanted (count $argv)
    test (count $words) -ge $wanted; and test "$words[1..$wanted]" = "$argv"
end

# How many words follow the command.
function __holdfast_follow
    test (count (__holdfast_words)) $argv[1] $argv[2]
end

complete -c holdfast -f
${lines.join("\n")}
`;
}

function commandLines({ words, options, positionals, isOpenEnded }: CompletedCommand): string[] {
  const condition = `__holdfast_in ${words.join(" ")}`;
  return [
    ...options.map((option) => optionLine(option, condition)),
    ...positionals.flatMap(({ completes }, position) => {
      const isRest = isOpenEnded && position === positionals.length - 1;
      const here = `${condition}; and __holdfast_follow ${isRest ? "-ge" : "-eq"} ${words.length + position}`;
      const action = {
        file: "-F",
        directory: `-a ${quoted("(__fish_complete_directories)")}`,
        image: "-a latest",
        command: "",
        nothing: "",
      }[completes];
      return action === "" ? [] : [`complete -c holdfast -n ${quoted(here)} ${action}`];
    }),
  ];
}

function wordLine(condition: string, word: string, summary: string): string {
  return `complete -c holdfast -n ${quoted(condition)} -a ${word} -d ${quoted(summary)}`;
}

function optionLine(option: CompletedOption, condition: string | undefined): string {
  const { long, short, help } = option;
  const parts = [
    "complete -c holdfast",
    condition === undefined ? "" : `-n ${quoted(condition)}`,
    short === undefined ? "" : `-s ${short.slice(1)}`,
    `-l ${long.slice(2)}`,
    valueOf(option),
    `-d ${quoted(help)}`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}

function valueOf({ takes, choices, completes }: CompletedOption): string {
  if (takes !== "value") return "";
  if (choices.length > 0) return `-x -a ${quoted(choices.join(" "))}`;
  if (completes === "directory") return `-x -a ${quoted("(__fish_complete_directories)")}`;
  return completes === "file" || completes === "command" ? "-r -F" : "-x";
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
