/**
 * Returns a function that calls `check` at most once in each turn of the event loop, so it costs almost nothing
 * in a loop. A process that is frozen while it waits for events begins the next turn when it runs again.
 */
export const oncePerTurn = (check: () => void): (() => void) => {
  let isChecked = false;
  const reset = () => {
    isChecked = false;
  };
  return () => {
    if (isChecked) return;
    isChecked = true;
    // Not unref'd: the event loop waits for events while only such callbacks are pending.
    setImmediate(reset);
    check();
  };
};
