// The little of XML that stores answer with: elements, text and five entities. No attributes, comments or declarations of
// anything are looked at, so there is nothing that could grow.

import { HoldfastError } from "../../base/errors.ts";

export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Answers have three levels. */
const DEPTH_LIMIT = 16;

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/** The root element. FORMAT_INVALID for what is not complete, for that is how a list that ended early looks. */
export function parseXml(source: string): XmlElement {
  const token = /<([/?!]?)([^\s<>/]*)[^<>]*?(\/?)>|([^<]+)/g;
  const open: { name: string; text: string; children: XmlElement[] }[] = [{ name: "", text: "", children: [] }];
  let end = 0;
  for (const match of source.matchAll(token)) {
    if (match.index !== end) throw invalid("it has a stray mark");
    end = match.index + match[0].length;
    const [, kind = "", name = "", empty = "", text] = match;
    const inner = open.at(-1) ?? refuse("it ends twice");
    if (text !== undefined) inner.text += decoded(text);
    else if (kind === "/") close(open, name);
    else if (kind !== "") continue;
    else if (empty === "/") inner.children.push({ name, text: "", children: [] });
    else if (open.length > DEPTH_LIMIT) throw invalid(`it is nested more than ${DEPTH_LIMIT} deep`);
    else open.push({ name, text: "", children: [] });
  }
  const [document] = open;
  const [root] = document?.children ?? [];
  if (end !== source.length || open.length !== 1 || root === undefined) throw invalid("it ends early");
  return root;
}

function close(open: { name: string; text: string; children: XmlElement[] }[], name: string): void {
  const element = open.pop();
  if (element?.name !== name) throw invalid(`"${name}" ends where it did not begin`);
  (open.at(-1) ?? refuse("it ends twice")).children.push(element);
}

export function childrenOf(element: XmlElement, name: string): readonly XmlElement[] {
  return element.children.filter((child) => child.name === name);
}

/** The text of the child of this name; undefined without one. */
export function textIn(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (_, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? refuse(`it has the unknown entity "${name}"`);
    const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
    return code <= 0x10_ffff ? String.fromCodePoint(code) : refuse("it has a mark that does not exist");
  });
}

function refuse(problem: string): never {
  throw invalid(problem);
}

function invalid(problem: string): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", { message: `The answer of the store is not whole XML: ${problem}`, retry: "later" });
}
