// How many cases a random test makes.

/** `few` unless HOLDFAST_TEST_CASES asks for another number. */
export function testCases(few: number): number {
  const asked = Number(process.env["HOLDFAST_TEST_CASES"] ?? "");
  return Number.isSafeInteger(asked) && asked > 0 ? asked : few;
}
