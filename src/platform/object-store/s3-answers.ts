// What a whole answer of a store looks like. One that ended early, or answers another question, is as good as none: whoever throws
// here makes the call be made again.

import { textOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { HttpAnswer } from "./http-exchange.ts";
import type { ByteRange, ListedObject, ObjectPage } from "./object-store.ts";
import { childrenOf, parseXml, textIn } from "./xml.ts";
import type { XmlElement } from "./xml.ts";

export interface ExpectedRange extends ByteRange {
  /** Of the whole object. */
  readonly limitBytes?: number;
}

/** Some stores and proxies answer with the whole object, with another part, or with less. FORMAT_INVALID for good beyond the limit. */
export function requireRange({ status, headers, body }: HttpAnswer, { offset, length, limitBytes }: ExpectedRange): void {
  const range = headers["content-range"] ?? "";
  const [, first, last, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(range) ?? [];
  const total = Number(size);
  if (limitBytes !== undefined && total > limitBytes) throw tooLarge(total, limitBytes);
  const expected = Math.min(length, total - offset);
  if (status === 206 && Number(first) === offset && Number(last) === offset + expected - 1 && body.length === expected) return;
  notWhole(`asked for ${length} bytes at ${offset}, it has ${body.length} ("${range}")`);
}

function tooLarge(found: number, limitBytes: number): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `it has ${found} bytes, expected at most ${limitBytes}`,
    context: { found, limitBytes },
  });
}

export function requireLength({ headers }: HttpAnswer): void {
  if (!/^\d{1,15}$/.test(headers["content-length"] ?? "")) notWhole("it names no size");
}

/** A copy begins with 200 and may still fail; the error stands in the body. */
export function requireCopied({ body }: HttpAnswer): void {
  if (parseXml(textOf(body)).name !== "CopyObjectResult") notWhole("it does not say that the object was copied");
}

export function requireNoError({ body }: HttpAnswer): void {
  if (parseXml(textOf(body)).name !== "CompleteMultipartUploadResult") notWhole("it does not say that the upload is complete");
}

export function pageOf(result: XmlElement, prefix: string): ObjectPage {
  if (result.name !== "ListBucketResult") notWhole("it is not a list");
  const key = (element: XmlElement, name: string): string => {
    const text = decodeURIComponent((textIn(element, name) ?? notWhole(`an entry has no ${name}`)).replaceAll("+", " "));
    return text.startsWith(prefix) ? text : notWhole("it lists what was not asked for");
  };
  const objects: ListedObject[] = childrenOf(result, "Contents").map((entry) => {
    const size = textIn(entry, "Size") ?? "";
    if (!/^\d{1,15}$/.test(size)) notWhole("an entry has no size");
    return { key: key(entry, "Key"), sizeBytes: Number(size) };
  });
  const prefixes = childrenOf(result, "CommonPrefixes").map((entry) => key(entry, "Prefix"));
  const isTruncated = textIn(result, "IsTruncated");
  if (isTruncated === "false") return { objects, prefixes };
  const next = textIn(result, "NextContinuationToken") ?? "";
  if (isTruncated !== "true" || next === "") notWhole("it does not say where it goes on");
  return { objects, prefixes, next };
}

export function nextUploads(page: XmlElement, prefix: string): Record<string, string> | undefined {
  if (textIn(page, "IsTruncated") !== "true") return undefined;
  const key = textIn(page, "NextKeyMarker") ?? notWhole("it does not say where it goes on");
  return { uploads: "", prefix, "key-marker": key, "upload-id-marker": textIn(page, "NextUploadIdMarker") ?? "" };
}

export function notWhole(problem: string): never {
  throw new HoldfastError("FORMAT_INVALID", { message: `The answer of the store is not whole: ${problem}`, retry: "later" });
}
