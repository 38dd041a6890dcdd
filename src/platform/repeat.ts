// Work that comes again and again.

export interface Repetition {
  /** No more begins; resolves when what runs has ended. */
  stop(): Promise<void>;
}

/** Runs `work` every so many milliseconds, never twice at a time. It keeps no process alive. A failure goes to `onFailure`. */
export function repeatEvery(ms: number, work: () => Promise<void>, onFailure: (error: unknown) => void): Repetition {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= work()
      .catch(onFailure)
      .finally(() => {
        running = undefined;
      });
  }, ms);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
