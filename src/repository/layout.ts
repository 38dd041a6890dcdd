// Where everything of a repository lies (docs/formats/repository.md).

export interface RepositoryLayout {
  readonly root: string;
  /** The file that makes the directory a repository. */
  readonly record: string;
  readonly keys: string;
  readonly trails: string;
  readonly volumes: string;
  /** The volume that `init` makes. */
  readonly mainVolume: string;
  readonly index: string;
  readonly catalog: string;
  readonly catalogFile: string;
  readonly sessions: string;
  /** Repositories made before there was collection lack it: made when it is first needed. */
  readonly collections: string;
  /** Which images are known to be whole, since something was lost. */
  readonly losses: string;
  /** Damaged files that do not lie on a volume, set aside. */
  readonly damaged: string;
  /** A file that only takes space, for the day when the disk is full. */
  readonly reserve: string;
}

export const MAIN_VOLUME = "main";

/** `path` is absolute. */
export function repositoryLayout(path: string): RepositoryLayout {
  const root = path.replace(/\/+$/, "");
  return {
    root: root === "" ? "/" : root,
    record: `${root}/repository`,
    keys: `${root}/keys`,
    trails: `${root}/trails`,
    volumes: `${root}/volumes`,
    mainVolume: `${root}/volumes/${MAIN_VOLUME}`,
    index: `${root}/index`,
    catalog: `${root}/catalog`,
    catalogFile: `${root}/catalog/catalog.sqlite`,
    sessions: `${root}/sessions`,
    collections: `${root}/collections`,
    losses: `${root}/losses`,
    damaged: `${root}/damaged`,
    reserve: `${root}/reserve`,
  };
}

/** The directories outside of volumes. */
export function directoriesOfLayout(layout: RepositoryLayout): readonly string[] {
  const { root, keys, trails, volumes, index, catalog, sessions, collections } = layout;
  return [root, keys, trails, volumes, index, catalog, sessions, collections];
}
