// The tables of the catalog, as a list of steps: a new file takes them all, an older one those it lacks. A published
// step never changes. `sealed` columns are sealed under a repository key, because the catalog lies in the repository's
// directory, where everything that tells what is backed up must be unreadable without the passphrase.

export const SCHEMA_STEPS: readonly string[] = [
  `CREATE TABLE image(
     id TEXT PRIMARY KEY,
     sealed BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE annotation(
     name TEXT PRIMARY KEY,
     sealed BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE volume(
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL,
     media_type INTEGER NOT NULL,
     capacity_bytes INTEGER NOT NULL,
     seen_at_ms INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE trail(
     id TEXT PRIMARY KEY,
     sealed BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE container_check(
     volume TEXT NOT NULL,
     container TEXT NOT NULL,
     checked_at_ms INTEGER NOT NULL,
     result TEXT NOT NULL CHECK (result IN ('intact', 'damaged', 'missing')),
     PRIMARY KEY (volume, container)
   ) STRICT, WITHOUT ROWID;

   CREATE TABLE job(
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     kind TEXT NOT NULL,
     started_at_ms INTEGER NOT NULL,
     writer BLOB NOT NULL,
     finished_at_ms INTEGER,
     outcome TEXT CHECK (outcome IN ('done', 'partial', 'failed')),
     image TEXT,
     detail BLOB,
     CHECK ((finished_at_ms IS NULL) = (outcome IS NULL))
   ) STRICT;`,
];

export const SCHEMA_VERSION = SCHEMA_STEPS.length;
