/** Calls back once `signal` aborts, or at once if it already has. */
export const onAbort = (signal: AbortSignal, callback: () => void): void => {
  if (signal.aborted) callback();
  else signal.addEventListener('abort', callback, { once: true });
};
