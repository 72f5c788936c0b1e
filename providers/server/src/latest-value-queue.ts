/** Processes one value at a time. Of the values offered while it is busy, only the latest is kept. */
export type LatestValueQueue<Value> = {
  readonly offer: (value: Value) => void;
  /** Whether a value is being processed or pending. */
  readonly isBusy: () => boolean;
  /** Resolves when no value is being processed or pending. */
  readonly whenIdle: () => Promise<void>;
  /** Discards the pending value. Values that are offered later are ignored. */
  close(): void;
};

type QueueOptions<Value> = {
  /** Must not reject. */
  readonly process: (value: Value) => Promise<void>;
  /** Combines the pending value with the one that supersedes it. By default, the pending value is discarded. */
  readonly merge?: (pending: Value, next: Value) => Value;
  /** Called each time the queue has become idle, but not after `close`. */
  readonly onIdle?: () => void;
};

export const createLatestValueQueue = <Value>({
  process,
  merge = (_, next) => next,
  onIdle,
}: QueueOptions<Value>): LatestValueQueue<Value> => {
  let pending: { readonly value: Value } | undefined;
  let processing: Promise<void> | undefined;
  let isClosed = false;

  const processAll = async (): Promise<void> => {
    while (pending !== undefined) {
      const { value } = pending;
      pending = undefined;
      await process(value);
    }
    processing = undefined;
    if (!isClosed) onIdle?.();
  };

  return {
    offer(value) {
      if (isClosed) return;
      pending = { value: pending === undefined ? value : merge(pending.value, value) };
      processing ??= processAll();
    },
    isBusy: () => processing !== undefined,
    whenIdle: () => processing ?? Promise.resolve(),
    close() {
      isClosed = true;
      pending = undefined;
    },
  };
};
