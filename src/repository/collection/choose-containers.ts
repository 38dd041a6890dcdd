// Which containers to remove and which to write anew: pure, from how much of each is still needed.

/** Stored bytes: a block that is needed in part counts in proportion. */
export interface CountedContainer {
  readonly storedBytes: number;
  /** Of those, what images need. */
  readonly liveBytes: number;
}

export interface ContainerChoice {
  /** Numbers of containers of which nothing is needed. */
  readonly dead: readonly number[];
  /** Numbers of containers whose needed part is to be written anew. */
  readonly rewritten: readonly number[];
  /** What stays unused in the containers that are left alone. */
  readonly unusedBytes: number;
  /** What is needed in all. */
  readonly liveBytes: number;
  /** Containers that would be written anew if there were room for it. */
  readonly lackingRoom: number;
}

export interface ChoiceOptions {
  /** The share of what is stored that may stay unused, 0 to 1. */
  readonly maxUnused: number;
  /** At most so many containers in all; those that free most come first. */
  readonly limit: number;
  /** No more is written anew than there is room for, in bytes; any amount unless given. */
  readonly room?: number | undefined;
}

/** Containers below this are small: every backup leaves one or two. */
const SMALL_BYTES = 4 * 1024 * 1024;
/** So many small ones are put together. Fewer cost less than the writing. */
const MANY_SMALL = 64;

/**
 * All dead containers; then, the emptiest first, as many as it takes until no more than `maxUnused` of what is stored is unused;
 * then, when there are many, the small ones.
 */
export function chooseContainers(containers: readonly CountedContainer[], options: ChoiceOptions): ContainerChoice {
  const { maxUnused, limit, room = Infinity } = options;
  const dead: number[] = [];
  const partly: number[] = [];
  let storedBytes = 0;
  let unusedBytes = 0;
  let liveBytes = 0;
  for (const [number, container] of containers.entries()) {
    liveBytes += container.liveBytes;
    if (container.liveBytes === 0) {
      if (dead.length < limit) dead.push(number);
      continue;
    }
    storedBytes += container.storedBytes;
    unusedBytes += unusedOf(container);
    if (unusedOf(container) > 0) partly.push(number);
  }

  const shareOf = (number: number): number => {
    const container = containers[number] as CountedContainer;
    return container.liveBytes / container.storedBytes;
  };
  partly.sort((a, b) => shareOf(a) - shareOf(b) || a - b);
  const chosen = new Set<number>();
  let writtenBytes = 0;
  let lackingRoom = 0;
  const choose = (number: number): boolean => {
    const container = containers[number] as CountedContainer;
    if (writtenBytes + container.liveBytes > room) return false;
    writtenBytes += container.liveBytes;
    unusedBytes -= unusedOf(container);
    chosen.add(number);
    return true;
  };
  for (const number of partly) {
    if (unusedBytes <= maxUnused * storedBytes || dead.length + chosen.size >= limit) break;
    if (choose(number)) storedBytes -= unusedOf(containers[number] as CountedContainer);
    else lackingRoom++;
  }

  const small = [...containers.keys()].filter((number) => {
    const container = containers[number] as CountedContainer;
    return container.liveBytes > 0 && container.storedBytes < SMALL_BYTES && !chosen.has(number);
  });
  if (small.length >= MANY_SMALL) {
    for (const number of small) {
      if (dead.length + chosen.size >= limit) break;
      choose(number);
    }
  }
  return { dead, rewritten: [...chosen].sort((a, b) => a - b), unusedBytes, liveBytes, lackingRoom };
}

function unusedOf({ storedBytes, liveBytes }: CountedContainer): number {
  return storedBytes - liveBytes;
}
