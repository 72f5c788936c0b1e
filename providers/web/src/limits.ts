// A file without imports, so that bundlers replace the names by the numbers.

/** A batch that is not accepted for so long is given up. The server knows repeated ones for longer. */
export const GIVE_UP_MS = 900_000;
/** How long `flush` and `close` wait for the server. */
export const FLUSH_TIMEOUT_MS = 2_000;
/** How long an event waits for others, by default. */
export const FLUSH_MS = 2_000;
/** How many events may wait, by default. */
export const MAX_QUEUED = 500;
/** So many events, or bytes of them, are sent at once. */
export const FLUSH_EVENTS = 50;
/** A browser accepts beacons of 64 KiB, together with those that are on their way. */
export const MAX_BATCH_BYTES = 60_000;
export const MAX_BATCH_EVENTS = 25;
export const MAX_EVENT_BYTES = 4_096;
export const MAX_NAME_LENGTH = 100;
export const MAX_UNIT_LENGTH = 256;
export const MAX_ATTRIBUTES = 20;
/** How many exposures a page, and a tab, remembers. */
export const MAX_REMEMBERED = 500;
export const MAX_STORED = 102_400;
export const MAX_STORED_MS = 86_400_000;

export const USAGE_INTERVAL_MS = 60_000;
export const MAX_OUTCOMES = 10_000;
/** The server accepts so many for a client key, which is public. */
export const MAX_COUNT = 10_000;
export const MAX_USAGE_ENTRIES = 2_000;
/** How long a page waits for a slow server although it has values. */
export const GRACE_MS = 250;
/** A short visit to another tab keeps the stream. Hidden pages release it, because connections are limited. */
export const HIDDEN_MS = 5_000;
/** How many subjects one document has. The page of a visitor who signs in and out has two. */
export const MAX_SUBJECTS = 10;
export const REFRESH_TIMEOUT_MS = 2_000;
export const INIT_TIMEOUT_MS = 2_000;
export const POLL_INTERVAL_MS = 30_000;
