// What we use of the AssemblyScript compiler. Its own types would declare the global names of that language for this whole
// project, among them another `console`.

interface Compiler {
  main(
    options: readonly string[],
    environment: {
      readFile(name: string): string | null;
      writeFile(name: string, contents: Uint8Array | string): void;
      listFiles(): readonly string[];
    },
  ): Promise<{ readonly error: Error | null; readonly stderr: { toString(): string } }>;
}

declare const compiler: Compiler;
// oxlint-disable-next-line import/no-default-export -- it is theirs
export default compiler;
