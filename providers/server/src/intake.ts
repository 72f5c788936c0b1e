/** Takes in one thing after the other. Of those that wait, only the newest: it says all that the others did. */
export type Intake<Told> = {
  readonly offer: (told: Told) => void;
  /** What was told last is not taken in yet. */
  readonly isBusy: () => boolean;
  close(): void;
};

/** `onTaken` is told when nothing waits any more. After `close`, nothing is taken and nothing told. */
export const createIntake = <Told>(
  take: (told: Told) => Promise<void>,
  onTaken: () => void,
): Intake<Told> => {
  let next: { readonly told: Told } | undefined;
  let busy = false;
  let closed = false;

  const takeAll = async (): Promise<void> => {
    while (next !== undefined) {
      const { told } = next;
      next = undefined;
      await take(told);
    }
    busy = false;
    if (!closed) onTaken();
  };

  return {
    offer(told) {
      if (closed) return;
      next = { told };
      if (busy) return;
      busy = true;
      void takeAll();
    },
    isBusy: () => busy,
    close() {
      closed = true;
      next = undefined;
    },
  };
};
