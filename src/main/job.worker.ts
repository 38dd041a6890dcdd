// The script of every worker thread.

import { serveWorker } from "../api/worker.ts";
import type { WorkerReply, WorkerRequest } from "../api/worker.ts";
import { workerPort } from "../platform/threads.ts";
import { workerServices } from "./services.ts";

serveWorker(workerPort<WorkerRequest, WorkerReply>(), workerServices());
