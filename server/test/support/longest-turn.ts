/**
 * Returns the longest time that the processor worked for one turn of the event loop of this thread. Other work
 * on the machine does not count.
 */
export const longestTurnMs = async <Result>(
  work: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly ms: number }> => {
  let longest = 0;
  let last = threadMs();
  const timer = setInterval(() => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  try {
    return { result: await work(), ms: longest };
  } finally {
    clearInterval(timer);
  }
};

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};
