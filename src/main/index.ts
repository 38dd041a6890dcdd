// What `import … from "holdfast"` offers.

export { programVersion } from "./version.ts";
