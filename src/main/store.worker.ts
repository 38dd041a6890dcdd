// The script of the thread that talks to an object store.

import { openS3Store } from "../platform/object-store/open-s3-store.ts";
import { serveStore } from "../platform/object-store/store-thread.ts";

serveStore(openS3Store);
