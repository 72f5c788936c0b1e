import type { Runtime } from '@pennon/sync';

/** A wait that ends when it is told to, or after a while; what it is for goes on until it is over. */
export type Wait = {
  readonly isOn: () => boolean;
  begin(): Promise<void>;
  /** Resolves what `begin` has promised. */
  end(): void;
  over(): void;
};

export const createWait = (setTimer: Runtime['setTimer'], ms: number): Wait => {
  let end: (() => void) | undefined;
  return {
    isOn: () => end !== undefined,
    begin: () =>
      new Promise(resolve => {
        const cancel = setTimer(ms, resolve);
        end = () => {
          cancel();
          resolve();
        };
      }),
    end: () => end?.(),
    over() {
      end = undefined;
    },
  };
};
