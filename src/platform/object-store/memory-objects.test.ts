import { systemClock } from "../system-clock.ts";
import { asynchronous, MemoryObjects } from "./memory-objects.ts";
import { describeObjectStoreContract } from "./object-store.contract.ts";

const store = asynchronous(new MemoryObjects(systemClock));
describeObjectStoreContract("an object store in memory", () => store);
