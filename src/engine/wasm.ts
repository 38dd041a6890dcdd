// The few parts of the WebAssembly interface that are used here. TypeScript has them only in its library for
// browsers, which would bring a thousand names that Node lacks.

interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer;
}

interface WebAssemblyGlobal {
  readonly Memory: new (options: { initial: number; maximum?: number }) => WebAssemblyMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyGlobal }).WebAssembly;
