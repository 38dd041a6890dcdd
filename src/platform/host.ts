/** What a program may know of the machine it runs on. */
export interface Host {
  readonly name: string;
  readonly userName: string;
  /** The effective user id; 0 is whoever may do anything. -1 where the platform has none. */
  readonly userId: number;
  readonly platform: string;
  /** Processors this process may use, at least 1. */
  readonly processors: number;
  readonly processId: number;
  /** Changes with every start of the machine; empty where the platform has none. */
  readonly bootId: string;
  /** Whether a process of this machine is alive. */
  isAlive(processId: number): boolean;
  /** The IANA name of the time zone that people here live in, such as "Europe/Berlin"; "UTC" where it is not known. */
  readonly timeZone: string;
  /** Absolute. */
  readonly workingDirectory: string;
  /** Directory for what can be thrown away and found again: $XDG_CACHE_HOME/holdfast or its like. */
  readonly cacheDirectory: string;
  /** Directory for what must be kept: $XDG_CONFIG_HOME/holdfast or its like. */
  readonly configDirectory: string;
  environment(name: string): string | undefined;
}
