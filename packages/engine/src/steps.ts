/** A computation that can pause at each `yield`, for callers that share a thread with other work. */
export type Steps<Result> = Generator<void, Result, void>;

export const runAtOnce = <Result>(steps: Steps<Result>): Result => {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
};
