/** Why a host function failed, as spec/abi.md has it. */
export enum ErrorKind {
  /** Nobody reads the output on, or the input is gone with its sender. */
  Closed = -1,
  /** There is no such thing. */
  NotFound = -2,
  /** Over a limit of size. */
  TooLarge = -3,
  /** Not now: the head of an answer after its body, or a body where there is none. */
  Order = -4,
  /** The plugin may not. */
  Denied = -5,
  /** The other end could not be reached, or broke off. */
  Failed = -6,
  /** The time of the call is over; the plugin will be ended soon. */
  Timeout = -7,
  /** An argument makes no sense. */
  Invalid = -8,
  /** Too many are open. */
  Busy = -9,
  /** The entry of the map has another revision. */
  Conflict = -10,
  /** What came is not JSON, or not UTF-8. */
  Json = -100,
}

/** That something failed, by a kind to decide by, and a text for people. */
export class Failure {
  constructor(
    /** An ErrorKind. */
    public kind: i32,
    /** For the log. No client sees it. */
    public message: string,
  ) {}

  /** Whether it is of that kind. */
  is(kind: ErrorKind): bool { return this.kind == <i32>kind; }
}
